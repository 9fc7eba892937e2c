/** A provider of one wire that is told in neutral words what to say: what it was asked, it reads as the wire's vendor would. */
import { foldAll } from '../../src/completion/fold.ts'
import type { CompletionPart, FinishReason } from '../../src/completion/part.ts'
import type { CompletionRequest } from '../../src/completion/request.ts'
import { RouteplaneError } from '../../src/errors.ts'
import type { Protocol, WireRequest } from '../../src/protocol/protocol.ts'
import { startUpstream, type Answer, type SeenRequest, type Upstream } from './upstream.ts'
import { collectEvents, oneByOne } from './parts.ts'

/** Gives the parts of an answer; a thrown {@link RouteplaneError} is answered in the wire's own words. */
export type Play = (request: CompletionRequest, seen: SeenRequest) => readonly CompletionPart[]

/** What a played provider is configured as. */
export type PlayedWire = { readonly upstream: Upstream; readonly baseUrl: string }

/** Starts a provider; its base URL ends with the version that the wire's own vendor has. */
export async function playWire(protocol: Protocol, play: Play): Promise<PlayedWire> {
  const upstream = await startUpstream((seen) => answer(protocol, play, seen))
  return { upstream, baseUrl: `${upstream.url}/${protocol.id === 'generate_content' ? 'v1beta' : 'v1'}` }
}

async function answer({ caller }: Protocol, play: Play, seen: SeenRequest): Promise<Answer> {
  try {
    const wire = wireOf(seen)
    const { model } = caller.read(wire)
    const request = caller.decodeRequest(wire)
    const context = { requestId: 'req_1', model, nowSeconds: 1_760_000_000, request }
    const parts = play(request, seen)
    if (request.stream) return { stream: await collectEvents(caller.encodeStream(oneByOne(parts), context)) }
    return { json: caller.encodeResult(foldAll(parts), context) }
  } catch (thrown) {
    if (!(thrown instanceof RouteplaneError)) throw thrown
    const { status, body } = caller.encodeError(thrown, 'req_1')
    return { status, json: body }
  }
}

function wireOf({ path, body, json, headers }: SeenRequest): WireRequest {
  const [bare = '', query = ''] = path.split('?')
  return {
    body,
    json: json as WireRequest['json'],
    path: decodeURIComponent(bare),
    query: new URLSearchParams(query),
    headers: headers as WireRequest['headers'],
  }
}

const start: CompletionPart = { type: 'start', id: 'answer-1', model: 'played' }

function end(reason: FinishReason): CompletionPart {
  return { type: 'finish', finishes: [{ candidate: 0, reason }], usage: { inputTokens: 30, outputTokens: 12, origin: 'provider' } }
}

/** An answer of text in a few pieces. */
export function says(text: string, reason: FinishReason = 'stop'): readonly CompletionPart[] {
  const middle = Math.floor(text.length / 2)
  const pieces = [text.slice(0, middle), text.slice(middle)].filter((piece) => piece !== '')
  return [
    start,
    { type: 'text-start', block: 0, candidate: 0 },
    ...pieces.map((piece): CompletionPart => ({ type: 'text-delta', block: 0, text: piece })),
    { type: 'text-end', block: 0 },
    end(reason),
  ]
}

/** An answer of calls: name and arguments each. */
export function calls(...asked: readonly (readonly [string, unknown])[]): readonly CompletionPart[] {
  const parts = asked.flatMap(([name, args], block): readonly CompletionPart[] => [
    { type: 'tool-input-start', block, candidate: 0, id: `call_${block + 1}`, name, freeform: false },
    { type: 'tool-input-delta', block, text: JSON.stringify(args) },
    { type: 'tool-input-end', block },
  ])
  return [start, ...parts, end('tool_calls')]
}
