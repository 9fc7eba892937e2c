/** Encodes what concerns billing, caching and bookkeeping: names that wires share, in the shapes this one takes. */
import { createHash } from 'node:crypto'
import type { CompletionRequest } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import { featureOf } from '../unmodelled.ts'

type Json = Readonly<Record<string, unknown>>

const isText = (value: unknown): boolean => typeof value === 'string'
const tiers: ReadonlySet<unknown> = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'])

/** What the vendor takes under each name. */
const checks: Readonly<Record<string, (value: unknown) => boolean>> = {
  metadata: (value) => isRecord(value) && Object.keys(value).length <= 16 && Object.values(value).every(isText),
  service_tier: (value) => tiers.has(value),
  prompt_cache_key: isText,
  prompt_cache_options: isRecord,
  prompt_cache_retention: isText,
  safety_identifier: isText,
  user: isText,
  truncation: isText,
}

/** Said in other places of the body, or without meaning where usage comes with every answer. */
const elsewhere: ReadonlySet<string> = new Set(['store', 'stream_options', 'include'])

/** The longest name of a user that is taken. */
const MAX_IDENTIFIER = 64

/**
 * Encodes the account fields.
 *
 * Nothing is stored unless the caller said so: on this wire alone, leaving `store` out means yes.
 */
export function encodeAccount(account: CompletionRequest['account']): { readonly fields: Json; readonly losses: readonly Loss[] } {
  const fields: Record<string, unknown> = { store: account['store'] === true }
  const losses: Loss[] = []
  for (const [name, value] of Object.entries(account)) {
    if (elsewhere.has(name)) continue
    const user = name === 'metadata' ? userIn(value) : undefined
    if (user !== undefined) {
      fields['safety_identifier'] ??= identifierOf(user)
      losses.push(approximated('metadata.user_id', 'metadata', 'it is sent as safety_identifier, shortened to a hash when it is long'))
    } else if (checks[name]?.(value) === true) fields[name] = value
    else losses.push(unsupported(name, featureOf(name), 'Responses does not take it in this form'))
  }
  return { fields, losses }
}

/** Anthropic's metadata hold a user's id and nothing else. */
function userIn(metadata: unknown): string | undefined {
  if (!isRecord(metadata) || Object.keys(metadata).length !== 1) return undefined
  return typeof metadata['user_id'] === 'string' ? metadata['user_id'] : undefined
}

function identifierOf(user: string): string {
  return user.length <= MAX_IDENTIFIER ? user : createHash('sha256').update(user).digest('hex')
}
