/** Requests of this wire as the HTTP surface hands them over. */
import type { WireRequest } from '../../../../src/protocol/protocol.ts'
import { wireOf } from '../../../support/wire.ts'

/** Builds the request of a body, given as value or as text. */
export function googleWire(body: unknown, call = 'm:generateContent', query = ''): WireRequest {
  return { ...wireOf(body, {}, query), path: `/v1beta/models/${call}` }
}

export const hi = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }
