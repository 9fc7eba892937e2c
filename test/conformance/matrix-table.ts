/** Runs the encoders over the rows of the matrix and says what became of each. */
import type { CompletionRequest } from '../../src/completion/request.ts'
import type { Loss } from '../../src/protocol/loss.ts'
import type { Encoded, Protocol, ProtocolId, UpstreamTarget, WireRequest } from '../../src/protocol/protocol.ts'
import { bodyOf, paths, type Json } from './matrix-rows.ts'

/** The model that each wire is translated for: the vendor's own, and one that still takes sampling parameters. */
export const targets: Readonly<Record<ProtocolId, UpstreamTarget>> = {
  chat_completions: { model: 'gpt-5.6-chat-latest', stream: false, maxOutputTokens: 8000, provider: 'up', modelFamily: 'up' },
  responses: { model: 'gpt-5.6-chat-latest', stream: false, maxOutputTokens: 8000, provider: 'up', modelFamily: 'up' },
  messages: { model: 'claude-opus-4-6', stream: false, maxOutputTokens: 8000, provider: 'up', modelFamily: 'up' },
  generate_content: { model: 'gemini-3-pro', stream: false, maxOutputTokens: 8000, provider: 'up', modelFamily: 'up' },
}

/** `exact`: carried as it is; the others are what the worst loss of the feature says. */
export type Cell = 'exact' | Loss['action']

export function wireOf(wire: ProtocolId, body: Json, path = paths[wire]): WireRequest {
  return { body: Buffer.from(JSON.stringify(body)), json: body, path, query: new URLSearchParams(), headers: {} }
}

export type Translated = { readonly request: CompletionRequest; readonly encoded: Encoded; readonly wire: WireRequest }

/** Decodes a case as its caller's wire does, and encodes it for another. */
export function translateCase(caller: Protocol, upstream: Protocol, members: Json): Translated {
  const wire = wireOf(caller.id, bodyOf(caller.id, members))
  caller.caller.read(wire)
  const request = caller.caller.decodeRequest(wire)
  return { request, encoded: upstream.upstream.encodeRequest(request, targets[upstream.id]), wire }
}

/** The losses that a case has and the plain request has not. */
export function lossesOfCase(caller: Protocol, upstream: Protocol, members: Json): readonly Loss[] {
  const plain = new Set(translateCase(caller, upstream, {}).encoded.losses.map(({ path, feature }) => `${path} ${feature}`))
  return translateCase(caller, upstream, members).encoded.losses.filter(({ path, feature }) => !plain.has(`${path} ${feature}`))
}

const worst: readonly Loss['action'][] = ['refused', 'omitted', 'approximated']

export function cellOf(losses: readonly Loss[]): Cell {
  return worst.find((action) => losses.some((loss) => loss.action === action)) ?? 'exact'
}
