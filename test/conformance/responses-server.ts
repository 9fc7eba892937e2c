/** A loopback server that speaks Responses to callers and answers from a script of parts. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { foldParts } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { toRouteplaneError } from '../../src/errors.ts'
import { createMemoryResponseStore } from '../../src/http/response-store.ts'
import {
  countInput,
  deleteResponse,
  expandPrevious,
  keepResponse,
  listInput,
  retrieveResponse,
  wantsStored,
  watchResponse,
} from '../../src/http/responses-routes.ts'
import { isRecord, parseJson } from '../../src/lib/json.ts'
import type { WireRequest } from '../../src/protocol/protocol.ts'
import { responses } from '../../src/protocol/responses/index.ts'
import { oneByOne } from '../support/parts.ts'

/** What the model says to a request. */
export type Script = (request: CompletionRequest, wire: WireRequest) => Iterable<CompletionPart>

export type ResponsesServer = { readonly baseUrl: string; readonly requests: readonly WireRequest[]; close(): Promise<void> }

const CALLER = 'tester'
const NOW_MS = 1_790_000_000_000

/** Starts the server on a free port. */
export async function serveResponses(script: Script): Promise<ResponsesServer> {
  const requests: WireRequest[] = []
  const store = createMemoryResponseStore({ clock: { now: () => NOW_MS } })
  let count = 0

  const complete = async (wire: WireRequest, outgoing: ServerResponse, id: string): Promise<void> => {
    const read = responses.caller.read(wire)
    const request = responses.caller.decodeRequest(wire)
    const context = { requestId: id, model: read.model, nowSeconds: NOW_MS / 1000, request, stored: wantsStored(store, wire) }
    const parts = oneByOne(script(request, wire))
    if (!read.needs.stream) {
      const body = responses.caller.encodeResult(await foldParts(parts), context)
      if (wantsStored(store, wire)) await keepResponse(store, CALLER, wire, body, NOW_MS)
      return sendJson(outgoing, 200, body)
    }
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
    const watch = watchResponse()
    for await (const event of responses.caller.encodeStream(parts, context)) {
      watch.push(event)
      outgoing.write(`: waiting\n\n${event}`)
    }
    if (wantsStored(store, wire)) await keepResponse(store, CALLER, wire, watch.end(), NOW_MS)
    outgoing.end()
  }
  const route = async (incoming: IncomingMessage, outgoing: ServerResponse, id: string): Promise<void> => {
    const url = new URL(incoming.url ?? '/', 'http://localhost')
    const [, stored, tail] = /^\/v1\/responses\/([^/]+)(?:\/(.+))?$/.exec(url.pathname) ?? []
    if (incoming.method === 'DELETE' && stored !== undefined) return sendJson(outgoing, 200, await deleteResponse(store, CALLER, stored))
    if (incoming.method === 'GET' && stored !== undefined) {
      const answer = tail === 'input_items' ? listInput : retrieveResponse
      return sendJson(outgoing, 200, await answer(store, CALLER, stored, url.searchParams))
    }
    const wire = await readWire(incoming, url)
    requests.push(wire)
    if (stored === 'input_tokens') return sendJson(outgoing, 200, countInput(wire))
    return complete(await expandPrevious(store, CALLER, wire), outgoing, id)
  }
  const server = createServer((incoming, outgoing) => {
    const id = `req_${count++}`
    route(incoming, outgoing, id).catch((thrown: unknown) => {
      const { status, body } = responses.caller.encodeError(toRouteplaneError(thrown), id)
      sendJson(outgoing, status, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readWire(incoming: IncomingMessage, url: URL): Promise<WireRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  const json = parseJson(body.toString())
  return { body, json: isRecord(json) ? json : {}, path: url.pathname, query: url.searchParams, headers: {} }
}

function sendJson(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json', 'x-should-retry': 'false' })
  outgoing.end(JSON.stringify(body))
}
