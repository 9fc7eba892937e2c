/** What the Responses wire has besides answering: stored responses, their chains, and counting tokens. */
import { RouteplaneError } from '../errors.ts'
import type { ResponseStore, StoredResponse } from './response-store.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { spliceJson } from '../lib/json-splice.ts'
import { createSseDecoder } from '../lib/sse.ts'
import { invalidRequest, readWire } from '../protocol/invalid-request.ts'
import { PREVIOUS_NOT_FOUND } from '../protocol/responses/error.ts'
import { responsesNeeds } from '../protocol/responses/needs.ts'
import { countRequestSchema } from '../protocol/responses/schema.ts'
import { createEventTail } from '../protocol/tail.ts'
import type { WireRequest } from '../protocol/protocol.ts'

type Json = Readonly<Record<string, unknown>>

/** What a route does; each is a function here. */
export const responsesRoutes = [
  { method: 'POST', path: '/v1/responses/input_tokens', does: 'count' },
  { method: 'GET', path: '/v1/responses/:id', does: 'retrieve' },
  { method: 'DELETE', path: '/v1/responses/:id', does: 'delete' },
  { method: 'GET', path: '/v1/responses/:id/input_items', does: 'list_input' },
  { method: 'POST', path: '/v1/responses/:id/cancel', does: 'cancel' },
] as const

/** Longest event of a stream that is kept to be stored. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

/**
 * Puts the conversation that `previous_response_id` stands for in its place, so that any upstream can go on with it.
 *
 * @param store - Absent when the gateway keeps nothing: then no id is known.
 * @returns the request itself when it goes on from nothing.
 * @throws {@link RouteplaneError} `response_not_found` for an id that is unknown or another caller's.
 */
export async function expandPrevious(store: ResponseStore | undefined, caller: string, wire: WireRequest): Promise<WireRequest> {
  const { previous_response_id: id } = wire.json
  if (id === undefined || id === null) return wire
  if (typeof id !== 'string') throw invalidRequest('previous_response_id', 'must be of type string')
  const stored = await store?.get(caller, id)
  if (stored === undefined) {
    throw new RouteplaneError('response_not_found', 'there is no response with the id in previous_response_id', {
      hint: 'Send the whole conversation as input.',
      details: { path: 'previous_response_id', upstreamCode: PREVIOUS_NOT_FOUND },
    })
  }
  return goOnFrom(stored, wire)
}

/**
 * Puts a stored conversation before what a request brings.
 *
 * @throws {@link RouteplaneError} `invalid_request` for the output of a call that nobody has made.
 */
export function goOnFrom(stored: StoredResponse, wire: WireRequest): WireRequest {
  const { previous_response_id: _, ...json } = wire.json
  const given = itemsOf(json['input'])
  const input = [...stored.input, ...outputOf(stored), ...given]
  const calls = new Set(input.flatMap((item) => (isRecord(item) && CALLS.has(item['type']) ? [item['call_id']] : [])))
  const lost = given.findIndex((item) => isRecord(item) && OUTPUTS.has(item['type']) && !calls.has(item['call_id']))
  if (lost !== -1) throw invalidRequest(`input[${lost}].call_id`, 'is of no call in this conversation')
  const body = spliceJson(wire.body, { set: new Map([['input', input]]), remove: ['previous_response_id'] })
  return { ...wire, body, json: { ...json, input } }
}

const CALLS: ReadonlySet<unknown> = new Set(['function_call', 'custom_tool_call'])
const OUTPUTS: ReadonlySet<unknown> = new Set(['function_call_output', 'custom_tool_call_output'])

function outputOf({ response }: StoredResponse): readonly unknown[] {
  return Array.isArray(response['output']) ? (response['output'] as readonly unknown[]) : []
}

/** The items of a request's input, also where it is one text. */
export function itemsOf(input: unknown): readonly unknown[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }]
  return Array.isArray(input) ? (input as readonly unknown[]) : []
}

/** Tells whether an answer to this request is to be kept: on this wire, unless the caller says no. */
export function wantsStored(store: ResponseStore | undefined, wire: WireRequest): store is ResponseStore {
  return store !== undefined && wire.json['store'] !== false
}

/**
 * Keeps an answer. One that failed, or has no id, is nothing to go on from.
 *
 * @param wire - The request as {@link expandPrevious} gave it.
 * @param nowMs - Milliseconds since the epoch.
 */
export async function keepResponse(
  store: ResponseStore,
  caller: string,
  wire: WireRequest,
  response: unknown,
  nowMs: number,
): Promise<void> {
  if (!isRecord(response) || typeof response['id'] !== 'string' || response['id'] === '') return
  if (response['status'] !== 'completed' && response['status'] !== 'incomplete') return
  await store.put(caller, { id: response['id'], createdMs: nowMs, input: itemsOf(wire.json['input']), response })
}

export type ResponseWatch = {
  /** Takes what is written to the caller, of either lane. */
  push(piece: Uint8Array | string): void
  /** @returns the response that the terminal event told, if one came. */
  end(): Json | undefined
}

/** Watches a stream of events for its last response; a stream cut short tells none. */
export function watchResponse(): ResponseWatch {
  const tail = createEventTail(MAX_KEPT_BYTES)
  return {
    push: (piece) => tail.push(typeof piece === 'string' ? Buffer.from(piece) : piece),
    end: () => {
      const decoder = createSseDecoder(MAX_KEPT_BYTES)
      const { bytes } = tail.end()
      const events = [...decoder.push(bytes), ...decoder.end()].map((item) => ('data' in item ? tryParseJson(item.data) : undefined))
      const last = events.filter(isRecord).findLast(({ type }) => type === 'response.completed' || type === 'response.incomplete')
      return isRecord(last?.['response']) ? last['response'] : undefined
    },
  }
}

/** @throws {@link RouteplaneError} `response_not_found`; `unsupported_parameter` for a replay of the stream. */
export async function retrieveResponse(
  store: ResponseStore | undefined,
  caller: string,
  id: string,
  query: URLSearchParams,
): Promise<unknown> {
  if (query.get('stream') === 'true') {
    throw new RouteplaneError('unsupported_parameter', 'stream is not taken here: a stored response is whole', {
      details: { path: 'stream' },
    })
  }
  return (await find(store, caller, id)).response
}

/** @throws {@link RouteplaneError} `response_not_found`. */
export async function deleteResponse(store: ResponseStore | undefined, caller: string, id: string): Promise<unknown> {
  if (store === undefined || !(await store.delete(caller, id))) throw notFound()
  return { id, object: 'response', deleted: true }
}

/** Only a response in the background can be cancelled, and there is none. @throws {@link RouteplaneError} always. */
export async function cancelResponse(store: ResponseStore | undefined, caller: string, id: string): Promise<never> {
  await find(store, caller, id)
  throw new RouteplaneError('invalid_request', 'only a response that is made in the background can be cancelled', {
    details: { path: 'id' },
  })
}

const MAX_PAGE = 100
const DEFAULT_PAGE = 20

/**
 * Lists what a stored response was given, newest first unless `order=asc`; `after` takes the last id of the page before.
 *
 * @throws {@link RouteplaneError} `response_not_found`, or `invalid_request` for a page that cannot be.
 */
export async function listInput(store: ResponseStore | undefined, caller: string, id: string, query: URLSearchParams): Promise<unknown> {
  const stored = await find(store, caller, id)
  const limit = query.get('limit') ?? String(DEFAULT_PAGE)
  if (!/^[1-9]\d{0,2}$/.test(limit) || Number(limit) > MAX_PAGE)
    throw invalidRequest('limit', `must be a whole number from 1 to ${MAX_PAGE}`)
  const order = query.get('order') ?? 'desc'
  if (order !== 'asc' && order !== 'desc') throw invalidRequest('order', 'must be asc or desc')
  const items = stored.input.filter(isRecord).map((item, index): Json => ({ ...item, id: item['id'] ?? `item_${index}` }))
  const ordered = order === 'asc' ? items : items.toReversed()
  const after = query.get('after')
  const from = after === null ? 0 : ordered.findIndex((item) => item['id'] === after) + 1
  if (after !== null && from === 0) throw invalidRequest('after', 'is not the id of an item')
  const page = ordered.slice(from, from + Number(limit))
  return {
    object: 'list',
    data: page,
    first_id: page[0]?.['id'] ?? null,
    last_id: page.at(-1)?.['id'] ?? null,
    has_more: from + page.length < ordered.length,
  }
}

/**
 * Guesses how many input tokens a request has, for upstreams that cannot count them. The answer is an estimate: say so in
 * `x-routeplane-estimated`.
 *
 * @throws {@link RouteplaneError} `invalid_request` naming the JSON path.
 */
export function countInput(wire: WireRequest): unknown {
  const json = readWire(countRequestSchema, wire.json)
  if (json.model === undefined || json.model === null) throw invalidRequest('model', 'is missing')
  const { expectedInputTokens } = responsesNeeds(json, wire.body.byteLength)
  return { object: 'response.input_tokens', input_tokens: expectedInputTokens }
}

async function find(store: ResponseStore | undefined, caller: string, id: string): Promise<StoredResponse> {
  const stored = await store?.get(caller, id)
  if (stored === undefined) throw notFound()
  return stored
}

function notFound(): RouteplaneError {
  return new RouteplaneError('response_not_found', 'there is no response with this id', {
    hint: 'Responses are kept only while the gateway runs, and only for whom they were made.',
    details: { path: 'id' },
  })
}
