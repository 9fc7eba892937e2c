/** Whole answers on this wire, both ways, with the dialects that recordings show. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CompletionRequest } from '../../../../src/completion/request.ts'
import type { CompletionResult } from '../../../../src/completion/result.ts'
import { chatCompletions } from '../../../../src/protocol/chat-completions/index.ts'
import { encodeUsage } from '../../../../src/protocol/chat-completions/usage.ts'
import { neutralResult } from '../../../support/arbitraries.ts'
import { corpusFiles } from '../../../support/fixtures.ts'
import { wireOf } from '../../../support/wire.ts'

const { decodeResult } = chatCompletions.upstream
const request: CompletionRequest = chatCompletions.caller.decodeRequest(wireOf({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }))
const context = { requestId: 'req_1', model: 'm', nowSeconds: 5, request }
const encode = (result: CompletionResult): Record<string, unknown> =>
  chatCompletions.caller.encodeResult(result, context) as Record<string, unknown>
const answer = (message: unknown, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 'r',
  model: 'm',
  created: 7,
  choices: [{ index: 0, message, finish_reason: 'stop', ...rest }],
})
const refused = (code: string): Error => expect.objectContaining({ code }) as Error

/** Without what only the wire adds: the upstream's own usage object. */
function plain(result: CompletionResult): unknown {
  const { raw: _raw, ...usage } = { ...result.usage }
  return { ...result, usage }
}

describe('there and back', () => {
  it('is the same answer', () => {
    fc.assert(
      fc.property(neutralResult, (result) => {
        expect(plain(decodeResult(JSON.parse(JSON.stringify(encode(result)))))).toEqual(result)
      }),
      { numRuns: 500 },
    )
  })
})

describe('decodeResult', () => {
  it.each([
    ['nothing', undefined],
    ['a word', 'ok'],
    ['a list', []],
    ['no choices', { id: 'x' }],
    ['empty choices', { choices: [] }],
    ['a choice without message', { choices: [{ index: 0, finish_reason: 'stop' }] }],
    ['an error in a 200', { error: { message: 'no', code: 500 } }],
    ['an error as text', { error: 'no' }],
    ['an error beside choices', { ...answer({ content: 'x' }), error: { message: 'no' } }],
    ['an error as finish', answer({ content: 'x' }, { finish_reason: 'error' })],
    ['an error in a choice', answer({ content: 'x' }, { error: { message: 'no' } })],
    ['a contradicted finish', answer({ content: 'x' }, { native_finish_reason: 'error' })],
  ])('throws for %s', (_, body) => {
    expect(() => decodeResult(body)).toThrow(refused('upstream_error'))
  })

  it('tells two calls of one name apart, with and without ids', () => {
    const calls = [
      { function: { name: 'now', arguments: '' } },
      { function: { name: 'now', arguments: '' } },
      { id: 'c', index: 0, function: { name: 'at', arguments: { a: 1 } } },
    ]
    const [candidate] = decodeResult(answer({ content: null, tool_calls: calls })).candidates
    expect(candidate?.content.map((part) => part.type === 'tool-call' && [part.name, part.arguments.text])).toEqual([
      ['now', '{}'],
      ['now', '{}'],
      ['at', '{"a":1}'],
    ])
    expect(candidate?.finish).toEqual({ candidate: 0, reason: 'tool_calls', raw: 'stop' })
  })

  it('does not take a broken call for a whole one', () => {
    const calls = [{ id: 'c', function: { name: 'f', arguments: '{"a":' } }]
    expect(decodeResult(answer({ tool_calls: calls })).candidates[0]?.finish.reason).toBe('malformed_tool_call')
    expect(decodeResult(answer({ tool_calls: calls }, { finish_reason: 'length' })).candidates[0]?.finish.reason).toBe('length')
  })

  it('reads images, audio, citations, probabilities and refusals', () => {
    const message = {
      content: 'x',
      refusal: 'no',
      images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
      audio: { id: 'a', data: 'AAAA', transcript: 'ah' },
      annotations: [{ type: 'url_citation', url_citation: { url: 'https://c.example', title: 'C', start_index: 1, end_index: 2 } }],
    }
    const [candidate] = decodeResult(answer(message, { logprobs: { content: [{ token: 'x', logprob: -1 }] } })).candidates
    expect(candidate?.finish.reason).toBe('refusal')
    expect(candidate?.extras.map(({ kind }) => kind).toSorted()).toEqual(['audio', 'citation', 'image', 'logprobs'])
  })

  it('reads every recording', () => {
    for (const { name, text } of corpusFiles('openai-chat', 'response')) {
      const result = decodeResult(JSON.parse(text))
      expect(result.usage?.outputTokens, name).toBeGreaterThan(0)
      expect(result.candidates[0]?.content.length, name).toBeGreaterThan(0)
      expect(['stop', 'tool_calls', 'length'], name).toContain(result.candidates[0]?.finish.reason)
    }
  })

  it('never throws anything but an upstream error, whatever the body', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (message, usage) => {
        try {
          decodeResult({ choices: [{ message, finish_reason: 'stop' }], usage })
        } catch (error) {
          expect((error as { fault: string }).fault).toBe('upstream')
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('encodeResult', () => {
  const one = (
    content: CompletionResult['candidates'][number]['content'],
    reason: 'stop' | 'error' | 'refusal' | 'malformed_tool_call' | 'context_window',
  ): CompletionResult => ({
    id: '',
    model: '',
    candidates: [{ index: 0, content, extras: [], finish: { candidate: 0, reason } }],
    usage: undefined,
  })

  it('fills in what the answer does not say', () => {
    expect(encode(one([], 'stop'))).toEqual({
      id: 'chatcmpl-req_1',
      object: 'chat.completion',
      created: 5,
      model: 'm',
      choices: [{ index: 0, finish_reason: 'stop', logprobs: null, message: { role: 'assistant', content: null, refusal: null } }],
    })
  })

  it('has no word for an error, and says so as one', () => {
    expect(() => encode(one([], 'error'))).toThrow(refused('upstream_error'))
    expect(() => encode(one([], 'malformed_tool_call'))).toThrow(refused('upstream_error'))
  })

  it('tells a refusal in words from one without', () => {
    const reasonOf = (result: CompletionResult): unknown => (encode(result)['choices'] as { finish_reason: string }[])[0]?.finish_reason
    expect(reasonOf(one([{ type: 'refusal', text: 'no' }], 'refusal'))).toBe('stop')
    expect(reasonOf(one([], 'refusal'))).toBe('content_filter')
    expect(reasonOf(one([], 'context_window'))).toBe('length')
  })

  it('never invents a count', () => {
    expect(encodeUsage({ inputTokens: 5, outputTokens: undefined, origin: 'provider' })).toBeUndefined()
    expect(encodeUsage({ inputTokens: 5, outputTokens: 6, reasoningTokens: 2, origin: 'provider' })).toEqual({
      prompt_tokens: 5,
      completion_tokens: 6,
      total_tokens: 11,
      completion_tokens_details: { reasoning_tokens: 2 },
    })
  })
})
