/** Encodes what concerns billing, caching and bookkeeping: names that wires share, in the shapes this one takes. */
import { createHash } from 'node:crypto'
import type { CompletionRequest } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import type { OpenAiTraits } from '../openai-models.ts'
import { featureOf } from '../unmodelled.ts'

type Json = Readonly<Record<string, unknown>>

const isText = (value: unknown): boolean => typeof value === 'string'
const tiers: ReadonlySet<unknown> = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast'])

/** What is taken under each name, and whether servers other than the vendor's know it. */
const checks: Readonly<Record<string, { readonly takes: (value: unknown) => boolean; readonly everywhere: boolean }>> = {
  store: { takes: (value) => typeof value === 'boolean', everywhere: false },
  metadata: { takes: isMetadata, everywhere: false },
  service_tier: { takes: (value) => tiers.has(value), everywhere: true },
  prompt_cache_key: { takes: isText, everywhere: false },
  prompt_cache_options: { takes: isRecord, everywhere: false },
  prompt_cache_retention: { takes: isText, everywhere: false },
  safety_identifier: { takes: isText, everywhere: false },
  user: { takes: isText, everywhere: true },
}

/** @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-metadata */
function isMetadata(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length <= 16 && Object.values(value).every(isText)
}

/** How the answer is streamed is between us and the upstream; what else is said of it is obfuscation, which we take off. */
const ours: ReadonlySet<string> = new Set(['stream_options', 'include', 'alt'])

/** The longest name of a user that is taken. */
const MAX_IDENTIFIER = 64

/** Encodes the account fields that this model's server takes, and reports the others. */
export function encodeAccount(account: CompletionRequest['account'], traits: OpenAiTraits, losses: Loss[]): Json {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(account)) {
    if (ours.has(name)) continue
    const user = name === 'metadata' ? userIn(value) : undefined
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (user !== undefined) {
      fields[traits.own ? 'safety_identifier' : 'user'] ??= identifierOf(user)
      losses.push(approximated('metadata.user_id', 'metadata', 'it is sent as the name of the user, as a hash when it is long'))
    } else if (check?.takes(value) === true && (traits.own || check.everywhere)) fields[name] = value
    else if (!isIdle(name, value)) losses.push(unsupported(name, featureOf(name), 'this upstream does not take it in this form'))
  }
  // The vendor refuses notes on an answer that is not kept.
  if (fields['metadata'] !== undefined && fields['store'] !== true) {
    delete fields['metadata']
    losses.push(unsupported('metadata', 'metadata', 'it is only taken for answers that are stored'))
  }
  return fields
}

/** Says what would be so without it. */
function isIdle(name: string, value: unknown): boolean {
  return (name === 'store' && value === false) || (name === 'service_tier' && (value === 'auto' || value === 'default'))
}

/** Anthropic's metadata hold a user's id and nothing else. */
function userIn(metadata: unknown): string | undefined {
  if (!isRecord(metadata) || Object.keys(metadata).length !== 1) return undefined
  return typeof metadata['user_id'] === 'string' ? metadata['user_id'] : undefined
}

function identifierOf(user: string): string {
  return user.length <= MAX_IDENTIFIER ? user : createHash('sha256').update(user).digest('hex')
}
