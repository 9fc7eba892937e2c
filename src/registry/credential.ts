/** Finds what must never stand in a public file: keys, tokens, and headers or query members that carry one. */

/** A header whose value is a secret whatever it looks like. */
const SECRET_HEADER = /(?:^|-)(?:key|apikey|token|secret|password|auth|credentials?)$/

/** Forms that only secrets have: vendors' keys, bearer tokens, JSON web tokens, private keys, and a key in a query. */
const SECRET_TEXT =
  /\bsk-(?=[\w-]*\d)[\w-]{12,}|\bAIza[\w-]{30,}|\bgh[pousr]_\w{20,}|\bbearer\s+\S{8,}|\beyJ[\w-]{10,}\.[\w-]+\.|\b(?:0x)?[0-9a-f]{64}\b|[?&](?:[\w-]*[-_])?(?:key|token|secret|password)=[^&]/i

/** @param name - In lower case. */
export function isSecretHeader(name: string): boolean {
  return SECRET_HEADER.test(name)
}

/** Finds the first text in parsed YAML that looks like a credential, by its path; the text itself is never repeated. */
export function findCredential(value: unknown, path: readonly (string | number)[] = []): readonly (string | number)[] | undefined {
  if (typeof value === 'string') return SECRET_TEXT.test(value) ? path : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, each] of Object.entries(value)) {
    const found = findCredential(each, [...path, Array.isArray(value) ? Number(key) : key])
    if (found !== undefined) return found
  }
  return undefined
}
