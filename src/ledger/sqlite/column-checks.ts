/** What the database itself refuses in a column, as SQL. */

/**
 * A whole number of zero or more. Amounts are text because 10⁻¹⁸ US dollars overflow SQLite's 64-bit integers at nine dollars;
 * having no place for a minus sign, the file itself refuses money below zero.
 */
export const amount = (column: string) => `CHECK (${column} <> '' AND ${column} NOT GLOB '*[^0-9]*')`
export const oneOf = (column: string, names: readonly string[]) => `CHECK (${column} IN (${names.map((name) => `'${name}'`).join(', ')}))`
