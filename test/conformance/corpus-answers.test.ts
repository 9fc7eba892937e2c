/** Recorded whole answers, when they are at hand: shown to the callers of every wire, they mean the same. */
import { describe, expect, it } from 'vitest'
import type { CompletionResult } from '../../src/completion/result.ts'
import { parseJson } from '../../src/lib/json.ts'
import { protocols } from '../../src/protocol/index.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { corpusFiles } from '../support/fixtures.ts'
import { withoutStandIns } from './expected-view.ts'
import { bodyOf, paths } from './matrix-rows.ts'
import { wireOf } from './matrix-table.ts'

const corpora: Readonly<Record<ProtocolId, string>> = {
  chat_completions: 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
  generate_content: 'google-generatecontent',
}

/** What every wire can show: the words, and the calls by name. */
function meaningOf({ candidates }: CompletionResult): unknown {
  const content = candidates[0]?.content ?? []
  const text = content.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : '')).join('')
  return { text, calls: content.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])) }
}

const cells = protocols.flatMap((upstream) => protocols.map((caller) => [upstream.id, caller.id, upstream, caller] as const))

describe('recorded answers', () => {
  it.each(cells)('of %s mean the same to callers of %s', (id, callerId, { upstream }, { caller, upstream: reader }) => {
    const request = caller.decodeRequest(wireOf(callerId, bodyOf(callerId, {}), paths[callerId]))
    for (const { name, text } of corpusFiles(corpora[id], 'response')) {
      const result = upstream.decodeResult(parseJson(text))
      const shown = caller.encodeResult(result, { requestId: 'req_1', model: 'm', nowSeconds: 1, request })
      const again = reader.decodeResult(parseJson(JSON.stringify(shown)))
      const said = again.candidates.map((candidate) => ({
        ...candidate,
        content: candidate.content.map((part) => (part.type === 'text' ? { ...part, text: withoutStandIns(part.text, result) } : part)),
      }))
      expect(meaningOf({ ...again, candidates: said }), name).toEqual(meaningOf(result))
    }
  })
})
