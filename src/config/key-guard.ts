/** Refuses a config file that holds a private key or a phrase of words: such a file ends up in backups and repositories. */
import type { Path } from '../lib/path.ts'
import type { Problem } from './problem.ts'

const KEY_NAMES = /^(?:private_?key|secret_?key|mnemonic|seed|seed_?phrase|recovery_?phrase|wallet_?key)$/i
const PRIVATE_KEY = /\b0x[0-9a-fA-F]{64}\b/
const BARE_KEY = /^\s*[0-9a-fA-F]{64}\s*$/
/** 64 bytes in base58, as Solana's wallets export a key. */
const SOLANA_KEY = /^\s*[1-9A-HJ-NP-Za-km-z]{86,88}\s*$/
/** Some providers' API keys are 64 hex digits too; with `0x` in front they are keys to money wherever they stand. */
const TOKEN_FIELDS = new Set(['api_key', 'auth_token'])
const PHRASE = /^\s*(?:[a-z]{3,8}\s+){11}(?:(?:[a-z]{3,8}\s+){3}){0,4}[a-z]{3,8}\s*$/

const HINT =
  'Take it out, treat that key as known to others, and use "routeplane wallet import" for a keystore or wallet.key_env for a variable.'

/** Finds the first place that holds a key, looking at keys and values as they were written. Never repeats what it found. */
export function findKey(value: unknown, path: Path = []): Problem | undefined {
  if (typeof value === 'string') return holdsKey(value, path) ? problemAt(path) : undefined
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value) && value.length === 64 && value.every((each) => /^\d{1,3}$/.test(String(each)))) return problemAt(path)
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((each, index) => [index, each] as const)
    : Object.entries(value)
  for (const [step, each] of entries) {
    const own = [...path, step]
    if (typeof step === 'string' && PRIVATE_KEY.test(step)) return problemAt(path)
    if (typeof step === 'string' && KEY_NAMES.test(step) && typeof each === 'string' && !isParameter(path)) return problemAt(own)
    const found = findKey(each, own)
    if (found !== undefined) return found
  }
  return undefined
}

/** `seed` is also a sampling parameter, and a fine one. */
function isParameter(path: Path): boolean {
  return path.includes('params')
}

function holdsKey(text: string, path: Path): boolean {
  if (PRIVATE_KEY.test(text)) return true
  const isToken = TOKEN_FIELDS.has(String(path.at(-1))) || path.includes('headers')
  if (!isToken && BARE_KEY.test(text)) return true
  return path[0] === 'wallet' && (PHRASE.test(text) || SOLANA_KEY.test(text))
}

function problemAt(path: Path): Problem {
  return { path, code: 'key_in_config', message: 'a private key or a secret phrase may not stand in the config', hint: HINT }
}
