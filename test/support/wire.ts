/** Requests as the HTTP surface hands them to a protocol. */
import type { WireRequest } from '../../src/protocol/protocol.ts'

/** Builds the wire request of a JSON body, given as value or as text. */
export function wireOf(body: unknown, headers: Readonly<Record<string, string>> = {}, query = ''): WireRequest {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return {
    body: new TextEncoder().encode(text),
    json: JSON.parse(text) as Record<string, unknown>,
    path: '/v1/chat/completions',
    query: new URLSearchParams(query),
    headers,
  }
}
