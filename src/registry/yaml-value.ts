/** Writes values as YAML, in lines or on one line, quoted where another reader would take a text for something else. */

export type YamlValue =
  /** Quoted where it has to be. */
  | { readonly text: string }
  /** A number, a switch or a word of a fixed list: never quoted. */
  | { readonly plain: string }
  /** Always quoted: an address, which some readers take for a number. */
  | { readonly quoted: string }
  /** Written on one line. */
  | { readonly list: readonly string[] }
  | { readonly block: YamlEntries }

export type YamlEntries = readonly (readonly [key: string, value: YamlValue])[]

/** Spaces of one level. */
export const INDENT = 2

/** A value on one line, fit for the inside of brackets too. */
export function inline(value: YamlValue): string {
  if ('plain' in value) return value.plain
  if ('quoted' in value) return JSON.stringify(value.quoted)
  if ('text' in value) return canStandPlain(value.text) ? value.text : JSON.stringify(value.text)
  if ('list' in value) return `[${value.list.map((text) => inline({ text })).join(', ')}]`
  return `{ ${value.block.map(([key, each]) => `${key}: ${inline(each)}`).join(', ')} }`
}

/** A key with its value, a nested block on lines of its own. */
export function entryLines(key: string, value: YamlValue, indent: number): readonly string[] {
  const margin = ' '.repeat(indent)
  if (!('block' in value)) return [`${margin}${key}: ${inline(value)}`]
  return [`${margin}${key}:`, ...value.block.flatMap(([name, each]) => entryLines(name, each, indent + INDENT))]
}

/** An item of a list, its first key beside the dash. */
export function itemLines(value: YamlValue, indent: number): readonly string[] {
  const margin = ' '.repeat(indent)
  if (!('block' in value)) return [`${margin}- ${inline(value)}`]
  const lines = value.block.flatMap(([key, each]) => entryLines(key, each, indent + INDENT))
  return lines.map((line, at) => (at === 0 ? `${margin}- ${line.slice(indent + INDENT)}` : line))
}

/** A whole file of keys, in the order given. */
export function yamlFile(entries: YamlEntries): string {
  return `${entries.flatMap(([key, value]) => entryLines(key, value, 0)).join('\n')}\n`
}

/** Whether every reader of YAML takes the unquoted text for the same text, also between brackets. */
function canStandPlain(text: string): boolean {
  if (/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text) || text.endsWith(' ')) return false
  return /^[A-Za-z](?:[A-Za-z0-9 _./()&+@=?%~-]|:(?=[^\s]))*$/.test(text)
}
