/** Providers on loopback that play recorded answers: the model that is asked for names the recording. */
import { foldAll } from '../../src/completion/fold.ts'
import type { CompletionResult } from '../../src/completion/result.ts'
import { toRouteplaneError } from '../../src/errors.ts'
import type { Protocol, ProtocolId } from '../../src/protocol/protocol.ts'
import { corpusFiles, cut, from, streamFixtures, type StreamFixture } from '../support/fixtures.ts'
import { startUpstream, type SeenRequest, type Upstream } from '../support/upstream.ts'
import { collectParts } from '../support/parts.ts'

/** What a wire's folders are called. */
const folders: Readonly<Record<ProtocolId, string>> = {
  chat_completions: 'chat-completions',
  responses: 'responses',
  messages: 'messages',
  generate_content: 'generate-content',
}

export type Recording = StreamFixture & {
  /** What it comes to; `undefined` for one that fails. */
  readonly neutral: CompletionResult | undefined
}

/** What their folders are called beside the checkout. */
const corpora: Readonly<Record<ProtocolId, string>> = {
  chat_completions: 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
  generate_content: 'google-generatecontent',
}

/** Streams beside the checkout: as they came, or one event a line. */
function corpusStreams(id: ProtocolId): readonly StreamFixture[] {
  return corpusFiles(corpora[id], 'stream').map(({ name, text }) => {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    const isFramed = lines.some((line) => /^(?:data|event):/.test(line))
    return { name, bytes: Buffer.from(isFramed ? text : lines.map((line) => `data: ${line}\n\n`).join('')), expected: {} }
  })
}

/** Every recorded stream of a wire, with what the wire's own decoder makes of it. */
export async function recordingsOf({ id, upstream }: Protocol): Promise<readonly Recording[]> {
  const fixtures = [...streamFixtures(folders[id]), ...corpusStreams(id)]
  return Promise.all(fixtures.map(async (fixture) => ({ ...fixture, neutral: await readNeutral(upstream, fixture.bytes) })))
}

async function readNeutral(upstream: Protocol['upstream'], bytes: Uint8Array): Promise<CompletionResult | undefined> {
  try {
    const parts = await collectParts(upstream.decodeStream(from([bytes])))
    return parts.at(-1)?.type === 'error' ? undefined : foldAll(parts)
  } catch (error) {
    toRouteplaneError(error)
    return undefined
  }
}

/** The model in the body, or for Google in the path. */
export function modelAsked({ path, json }: SeenRequest): string {
  const named = /\/models\/([^:]+):/.exec(path)?.[1]
  return named === undefined ? String((json as { model?: unknown }).model) : decodeURIComponent(named)
}

/** Plays streams; each comes in a few reads that know nothing of its events. */
export function playStreams(recordings: readonly Recording[]): Promise<Upstream> {
  const byName = new Map(recordings.map((recording) => [recording.name, recording.bytes]))
  return startUpstream((request) => {
    const bytes = byName.get(modelAsked(request)) ?? new Uint8Array()
    const third = Math.floor(bytes.length / 3)
    return { stream: cut(bytes, [third, 2 * third]).filter((piece) => piece.length > 0) }
  })
}
