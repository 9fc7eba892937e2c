/** States a lower output limit in a request of this wire. */
import { isRecord } from '../../lib/json.ts'
import type { WireRequest } from '../protocol.ts'

/** @returns `undefined` when the thinking that was asked for would not fit below the limit: the wire refuses that. */
export function limitOutput(json: WireRequest['json'], limit: number): ReadonlyMap<string, unknown> | undefined {
  const { thinking } = json
  const budget = isRecord(thinking) ? thinking['budget_tokens'] : undefined
  return typeof budget === 'number' && budget >= limit ? undefined : new Map([['max_tokens', limit]])
}
