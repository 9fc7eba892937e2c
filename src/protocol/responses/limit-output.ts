/** States a lower output limit in a request of this wire. */
import type { WireRequest } from '../protocol.ts'
import { MIN_OUTPUT_TOKENS } from './request-encode.ts'

/** @returns `undefined` below the least this wire takes. */
export function limitOutput(_json: WireRequest['json'], limit: number): ReadonlyMap<string, unknown> | undefined {
  return limit < MIN_OUTPUT_TOKENS ? undefined : new Map([['max_output_tokens', limit]])
}
