/** Encodes what concerns billing and state, of which this wire has little. */
import type { CompletionRequest } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import { featureOf } from '../unmodelled.ts'
import { STREAM_FORM } from './request.ts'

type Json = Readonly<Record<string, unknown>>

/** @see https://ai.google.dev/api/generate-content#request-body, `serviceTier` */
export function encodeAccount(account: CompletionRequest['account'], losses: Loss[]): Json {
  const tier = encodeTier(account['service_tier'], losses)
  for (const [name, value] of Object.entries(account)) {
    if (name === 'service_tier' || asksNothing(name, value)) continue
    losses.push(unsupported(name, featureOf(name), 'this wire has no such field'))
  }
  return tier === undefined ? {} : { serviceTier: tier }
}

/** How an answer is written to the caller is settled on our side, and not to store is what happens anyway. */
function asksNothing(name: string, value: unknown): boolean {
  if (name === STREAM_FORM || name === 'stream_options' || name === 'include') return true
  if ((name === 'store' || name === 'background') && value !== true) return true
  return value === undefined || value === null || (isRecord(value) && Object.keys(value).length === 0)
}

function encodeTier(given: unknown, losses: Loss[]): string | undefined {
  switch (given) {
    case undefined:
    case null:
    case 'auto':
    case 'default':
    case 'standard':
    case 'standard_only':
      return undefined
    case 'flex':
    case 'priority':
      return given
    case 'fast':
      losses.push(approximated('service_tier', 'service_tier', 'said as the tier priority'))
      return 'priority'
    default:
      losses.push(unsupported('service_tier', 'service_tier', 'this wire has no such tier'))
      return undefined
  }
}

const ownState = ['cachedContent', 'continuationToken'] as const

/** State lives with the provider that made it. */
export function encodeState(state: CompletionRequest['state'], losses: Loss[]): Json {
  for (const name of Object.keys(state)) {
    if (!ownState.some((own) => own === name))
      losses.push(
        unsupported(
          name,
          featureOf(name) === 'context_management' ? 'context_management' : 'state',
          'it names state that only its own provider has',
        ),
      )
  }
  return Object.fromEntries(ownState.flatMap((name) => (state[name] === undefined ? [] : [[name, state[name]]])))
}
