/** The contract of a wire format: one side speaks to callers, the other to upstreams. */
import type { PartStream } from '../completion/part.ts'
import type { CompletionRequest, WireId } from '../completion/request.ts'
import type { CompletionResult } from '../completion/result.ts'
import type { Needs } from '../completion/features.ts'
import type { Usage } from '../completion/usage.ts'
import type { RouteplaneError } from '../errors.ts'
import type { Extensions } from './extensions.ts'
import type { Loss } from './loss.ts'
import type { PresetFields } from './preset-fields.ts'
import type { Restore } from './restore.ts'

export type ProtocolId = WireId

export type Protocol = {
  readonly id: ProtocolId
  /** What a manifest may write instead of the id (`openai`, `anthropic`, `google`). */
  readonly aliases: readonly string[]
  readonly caller: CallerSide
  readonly upstream: UpstreamSide
}

/** A request as it came in: the bytes, their parse, and what of the URL the wire reads. */
export type WireRequest = {
  readonly body: Uint8Array
  readonly json: Readonly<Record<string, unknown>>
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What every wire can tell of a request without decoding all of it. */
export type CallerRequest = {
  readonly model: string
  readonly needs: Needs
  readonly extensions: Extensions
}

export type CallerSide = {
  /** Hono paths that carry a completion, all POST. */
  readonly paths: readonly string[]
  /** Reads what routing needs. @throws RouteplaneError of class `invalid_request` naming the JSON path. */
  read(wire: WireRequest): CallerRequest
  /** Decodes the whole request. @throws RouteplaneError `invalid_request`. */
  decodeRequest(wire: WireRequest): CompletionRequest
  /** Spells the neutral path of a loss the way the caller wrote it. */
  pathOf(path: string, wire: Pick<WireRequest, 'json'>): string
  /** Gives the top-level members that a preset adds to a request; the request's own always win. */
  presetMembers(json: WireRequest['json'], preset: PresetFields): ReadonlyMap<string, unknown>
  encodeResult(result: CompletionResult, context: EncodeContext): unknown
  /** Each string is whole events, those that one read came to, ready to be written at once. */
  encodeStream(stream: PartStream, context: EncodeContext): AsyncIterable<string>
  encodeError(error: RouteplaneError, requestId: string): WireError
  /** Finds the line with which a stream of events ends; absent where only the connection's end tells. */
  readonly endLine?: RegExp
}

/** What an encoder must know that the answer does not say. */
export type EncodeContext = {
  readonly requestId: string
  /** The model as the caller wrote it. */
  readonly model: string
  readonly nowSeconds: number
  readonly request: CompletionRequest
  /** Whether the answer is kept, so that its caller may go on from it by its id. */
  readonly stored?: boolean
}

export type WireError = {
  readonly status: number
  readonly body: unknown
  /** The same error as an event of a stream that has already begun. */
  readonly event: string
}

export type UpstreamSide = {
  /** Says a neutral request in this wire. Never throws for what the wire cannot carry: that is a loss. */
  encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded
  /** The native lane: the caller's own bytes with the model set and our extension fields taken out. */
  forward(wire: WireRequest, target: UpstreamTarget): ForwardedCall
  /**
   * Gives the top-level members that state a lower output limit in the caller's own request.
   *
   * @returns `undefined` when the wire cannot state one so low beside what else the request says.
   */
  limitOutput(json: WireRequest['json'], limit: number, target: UpstreamTarget): ReadonlyMap<string, unknown> | undefined
  /** Takes the usage-only event out of forwarded bytes; for calls whose {@link ForwardedCall.hideUsageChunk} is set. */
  createUsageFilter(): ByteFilter
  /** Headers that carry an API key. */
  authorize(apiKey: string): Readonly<Record<string, string>>
  /** @throws RouteplaneError for an error in a 200 body, an error finish reason, or a body that is not the wire's. */
  decodeResult(body: unknown): CompletionResult
  /** Reads a byte stream of events into parts. An event that breaks the grammar, or an end without a terminal one, yields `error`. */
  decodeStream(bytes: AsyncIterable<Uint8Array>): PartStream
  decodeError(status: number, body: string): RouteplaneError
  /** Watches a forwarded stream without touching it. */
  createTap(): StreamTap
}

/** A translated request, ready but for address and payment; a refused loss means that it must not be sent. */
export type Encoded = {
  /** Below the endpoint's base URL. */
  readonly path: string
  /** What JSON says of it is sent; nothing secret. */
  readonly body: Readonly<Record<string, unknown>>
  /** Headers that belong to the body, such as the version it is written in. */
  readonly headers?: Readonly<Record<string, string>>
  /** The limit of output tokens that the body states, where it is not the request's own: it is what can be charged. */
  readonly maxOutputTokens?: number
  /** In the order of the request, as far as there is one; paths are those of the neutral request. */
  readonly losses: readonly Loss[]
  /** What has to be undone on the answer. */
  readonly restore: Restore
}

/** A call of the native lane, ready but for address and payment. */
export type ForwardedCall = {
  /** Below the endpoint's base URL. */
  readonly path: string
  readonly body: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  /** We asked for usage and the caller did not: its event is for the tap alone, and must not reach him. */
  readonly hideUsageChunk: boolean
}

/** Changes bytes on their way; an event that is not whole yet is held back, and nothing else is. */
export type ByteFilter = {
  push(chunk: Uint8Array): Uint8Array
  /** Gives what was held back. */
  end(): Uint8Array
}

/** The model as the endpoint knows it. */
export type UpstreamTarget = {
  readonly model: string
  readonly stream: boolean
  /** The endpoint's own output limit, for wires that demand one. */
  readonly maxOutputTokens?: number
  /** Who will answer, as far as signatures go: they are replayed to their own issuer only. Unknown is never a match. */
  readonly provider?: string
  readonly modelFamily?: string
}

/**
 * Reads a copy of a forwarded stream. Only the head is decoded until the first content, then only the tail at the end:
 * usage, finish and errors live there.
 */
export type StreamTap = {
  /** @returns `true` once content the caller would see has been pushed. */
  push(chunk: Uint8Array): boolean
  /** Bytes of text that were delivered, for an estimate when the upstream counts nothing. */
  end(): TapReport
}

export type TapReport = {
  readonly usage: Usage | undefined
  readonly model?: string | undefined
  readonly deliveredCharacters: number
  readonly finishReason?: string | undefined
  /** An error event, an error finish reason, or an end without a terminal event. */
  readonly error?: RouteplaneError
}
