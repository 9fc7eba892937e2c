/** Replaces `${VAR}` and `${VAR:-default}` in values that hold secrets or places; never in keys, never twice. */
import type { Path } from '../lib/path.ts'

/** What became of one text. */
export type Expansion =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: 'env_not_set' | 'env_syntax'; readonly message: string; readonly variable?: string }

const REFERENCE = /^\$\{([A-Za-z_][A-Za-z0-9_]{0,127})(?::-([^}]*))?\}/

/**
 * Expands one text from left to right. What comes out of the environment is copied as it is: a variable whose value
 * reads `${OTHER}` or `skip_auth: true` is only text. `$${` writes a literal `${`.
 */
export function expand(text: string, get: (name: string) => string | undefined): Expansion {
  let result = ''
  for (let at = 0; at < text.length;) {
    const next = text.indexOf('${', at)
    if (next === -1) return { ok: true, text: result + text.slice(at) }
    if (next > at && text[next - 1] === '$') {
      result += `${text.slice(at, next - 1)}\${`
      at = next + 2
      continue
    }
    const match = REFERENCE.exec(text.slice(next))
    if (match === null)
      return { ok: false, code: 'env_syntax', message: 'after "${" comes a name and "}", or a name, ":-", a default and "}"' }
    const [whole, variable = '', fallback] = match
    const value = get(variable) ?? fallback
    if (value === undefined) return { ok: false, code: 'env_not_set', message: `the environment variable ${variable} is not set`, variable }
    result += text.slice(at, next) + value
    at = next + whole.length
  }
  return { ok: true, text: result }
}

/** Tells whether a text asks for the environment at all. */
export function hasReference(text: string): boolean {
  return /(?<!\$)\$\{/.test(text)
}

/** Secrets and places. Anything else may be shown in lists and logs, where a variable's value has no business. */
const EXPANDABLE: readonly string[] = [
  'auth_token',
  'listen',
  'listen.host',
  'listen.port',
  'providers.*.api_base',
  'providers.*.api_key',
  'providers.*.headers.*',
  'providers.*.models_url',
  'payment.accounts.*',
  'wallet.keystore',
  'wallet.signer.url',
  'wallet.password_file',
  'wallet.rpc.*',
  'registry.path',
  'registry.url',
  'ledger.path',
]

const PATTERNS = EXPANDABLE.map((pattern) => pattern.split('.'))

/** Tells whether the value at a path may come from the environment. */
export function isExpandable(path: Path): boolean {
  return PATTERNS.some((pattern) => pattern.length === path.length && pattern.every((step, at) => step === '*' || step === path[at]))
}
