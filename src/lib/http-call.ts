/** An HTTP exchange as plain values: what is sent, what comes back, and the port that carries it. */
import { RouteplaneError } from '../errors.ts'
import type { CancelSignal } from './cancel.ts'

/** Lower-case names; a repeated header is joined in order with the comma rule left to the reader. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export type HttpCall = {
  readonly method: 'GET' | 'POST' | 'HEAD' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export type HttpResponse = {
  readonly status: number
  readonly headers: HttpHeaders
  /** Each item is all that had arrived; ends early by throwing. Leaving the loop aborts the exchange. */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Sends a call and resolves at the response's headers.
 *
 * @throws RouteplaneError `upstream_unreachable`, `upstream_timeout`, `redirect_refused`, `private_address`,
 *   `response_too_large`; the body's iteration throws `idle_timeout`, `stream_incomplete`, `response_too_large`.
 */
export type Transport = (call: HttpCall, options: TransportOptions) => Promise<HttpResponse>

export type TransportOptions = {
  readonly signal: CancelSignal
  readonly timeouts?: Partial<TransportTimeouts>
  /** Bytes of body after which the exchange is ended. */
  readonly maxBytes?: number
}

/** Milliseconds by phase. */
export type TransportTimeouts = {
  readonly connectMs: number
  /** From sending to the first byte that is not an SSE comment. */
  readonly firstByteMs: number
  readonly idleMs: number
}

/** Gives one value of a header, the first when it is repeated. */
export function headerOf(headers: HttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

const LONGEST_WAIT_MS = 1_000_000_000

/**
 * Gives the milliseconds that an answer asks to wait: as a date, in seconds, or in milliseconds as OpenAI says them more exactly;
 * `undefined` when it does not say, or nothing that can be meant.
 *
 * @param nowMs - Epoch milliseconds.
 * @see RFC 9110, section 10.2.3
 */
export function retryAfterOf(headers: HttpHeaders, nowMs: number): number | undefined {
  const exact = headerOf(headers, 'retry-after-ms') ?? ''
  const value = headerOf(headers, 'retry-after') ?? ''
  const decimal = /^\d{1,9}(?:\.\d{1,9})?$/
  if (decimal.test(exact)) return bounded(Number(exact))
  if (decimal.test(value)) return bounded(Number(value) * 1_000)
  return value.endsWith(' GMT') ? bounded(Math.max(0, Date.parse(value) - nowMs)) : undefined
}

function bounded(waitMs: number): number | undefined {
  return waitMs <= LONGEST_WAIT_MS ? Math.ceil(waitMs) : undefined
}

/**
 * Reads a body to its end as text, or to `maxBytes` and no further.
 *
 * @throws RouteplaneError `response_too_large`.
 */
export async function readBody(response: Pick<HttpResponse, 'body'>, maxBytes: number): Promise<string> {
  return Buffer.from(await readBytes(response, maxBytes)).toString('utf8')
}

/** Reads a body to its end as bytes. @throws RouteplaneError `response_too_large`. */
export async function readBytes(response: Pick<HttpResponse, 'body'>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.length
    if (size > maxBytes) throw new RouteplaneError('response_too_large', `the answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}
