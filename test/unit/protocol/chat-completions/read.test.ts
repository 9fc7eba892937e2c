/** Reading a request for routing: what is refused and where, and bounds that are never below the real count. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IMAGE_TOKENS } from '../../../../src/protocol/token-bounds.ts'
import { chatCompletions } from '../../../../src/protocol/chat-completions/index.ts'
import type { CallerRequest } from '../../../../src/protocol/protocol.ts'
import { wireOf } from '../../../support/wire.ts'

const messages = [{ role: 'user', content: 'hi' }]
const read = (body: unknown): CallerRequest => chatCompletions.caller.read(wireOf(body))

describe('read refuses', () => {
  it.each([
    ['no model', { messages }, 'model'],
    ['a number for a model', { model: 5, messages }, 'model'],
    ['an empty model', { model: '', messages }, 'model'],
    ['a megabyte of model', { model: 'a'.repeat(1_000_000), messages }, 'model'],
    ['no messages', { model: 'a' }, 'messages'],
    ['messages that are text', { model: 'a', messages: 'hi' }, 'messages'],
    ['no message at all', { model: 'a', messages: [] }, 'messages'],
    ['a message that is text', { model: 'a', messages: ['hi'] }, 'messages[0]'],
    ['an unknown role', { model: 'a', messages: [{ role: 'root', content: 'x' }] }, 'messages[0].role'],
    ['no role', { model: 'a', messages: [{ content: 'x' }] }, 'messages[0].role'],
    ['content that is a number', { model: 'a', messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
    ['a user without content', { model: 'a', messages: [{ role: 'user' }] }, 'messages[0].content'],
    ['a part without its text', { model: 'a', messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    ['a part without type', { model: 'a', messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages[0].content[0].type'],
    [
      "an image on somebody's disk",
      { model: 'a', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }] },
      'messages[0].content[0].image_url.url',
    ],
    ['a result without its call', { model: 'a', messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    ['a negative limit', { model: 'a', messages, max_tokens: -1 }, 'max_tokens'],
    ['a limit of zero', { model: 'a', messages, max_completion_tokens: 0 }, 'max_completion_tokens'],
    ['a limit that is text', { model: 'a', messages, max_tokens: '100' }, 'max_tokens'],
    ['a limit of one and a half', { model: 'a', messages, max_tokens: 1.5 }, 'max_tokens'],
    ['stream as a word', { model: 'a', messages, stream: 'yes' }, 'stream'],
    ['stream options without a stream', { model: 'a', messages, stream_options: { include_usage: true } }, 'stream_options'],
    ['a temperature in words', { model: 'a', messages, temperature: 'hot' }, 'temperature'],
    ['a thousand candidates', { model: 'a', messages, n: 1000 }, 'n'],
    ['tools that are none', { model: 'a', messages, tools: [{ function: { name: 'x' } }] }, 'tools[0].type'],
    ['a format in words', { model: 'a', messages, response_format: 'json' }, 'response_format'],
  ])('%s', (_, body, path) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { path } }) as Error)
    try {
      read(body)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThanOrEqual(300)
    }
  })

  it('a limit that a double cannot hold', () => {
    const body = '{"model":"a","messages":[{"role":"user","content":"x"}],"max_tokens":9007199254740993}'
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { path: 'max_tokens' } }) as Error)
  })

  it('two models in one body', () => {
    const body = '{"model":"cheap/a","max_cost_usd":"1","model":"dear/b","messages":[{"role":"user","content":"x"}]}'
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'duplicate_key' }) as Error)
  })
})

describe('read takes', () => {
  it.each([
    ['a lone surrogate', '{"model":"a","messages":[{"role":"user","content":"\\ud800"}]}'],
    [
      'a schema that refers to itself',
      { model: 'a', messages, response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: '#' } } } },
    ],
    ['fields nobody knows', { model: 'a', messages: [{ role: 'user', content: 'x', mood: 'calm' }], enable_magic: true }],
    ['parts nobody knows', { model: 'a', messages: [{ role: 'user', content: [{ type: 'smell', smell: 'sea' }] }] }],
    [
      'nulls for what is absent',
      { model: 'a', messages, max_tokens: null, stop: null, tools: null, stream: null, stream_options: null, temperature: null },
    ],
    [
      'an assistant with calls only',
      {
        model: 'a',
        messages: [
          ...messages,
          { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'n', arguments: '{}' } }] },
        ],
      },
    ],
    ['the old function messages', { model: 'a', messages: [...messages, { role: 'function', name: 'n', content: null }] }],
  ])('%s', (_, body) => {
    expect(read(body).model).toBe('a')
  })

  it('the first of models when there is no model', () => {
    expect(read({ models: ['x/y', 'z'], messages })).toMatchObject({ model: 'x/y', extensions: { models: ['x/y', 'z'] } })
  })
})

describe('needs', () => {
  it('names features, parameters, modalities and limits', () => {
    const { needs } = read({
      model: 'a',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x' },
            { type: 'image_url', image_url: { url: 'https://i.example/x.png' } },
            { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
          ],
        },
      ],
      tools: [{ type: 'function', function: { name: 'n' } }],
      response_format: { type: 'json_schema', json_schema: { name: 'x' } },
      reasoning_effort: 'low',
      logprobs: true,
      web_search_options: {},
      temperature: 0,
      top_p: 1,
      stop: ['x'],
      seed: 1,
      max_completion_tokens: 50,
      n: 2,
      stream: true,
      modalities: ['text', 'audio'],
    })
    expect(needs).toMatchObject({
      features: ['tools', 'structured_outputs', 'logprobs', 'web_search', 'reasoning'],
      samplingParameters: ['temperature', 'top_p', 'stop', 'seed', 'max_tokens'],
      inputModalities: ['text', 'image', 'audio'],
      outputModalities: ['text', 'audio'],
      maxOutputTokens: 50,
      images: 1,
      candidates: 2,
      stream: true,
    })
  })

  it('leaves out an output limit that the caller did not set', () => {
    expect(read({ model: 'a', messages }).needs).not.toHaveProperty('maxOutputTokens')
    expect(read({ model: 'a', messages }).needs.features).toEqual([])
    expect(read({ model: 'a', messages, reasoning_effort: 'none', tools: [] }).needs.features).toEqual([])
  })

  it('bounds input tokens from above by every byte of text, wherever it stands', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(text, text, text, text, (system, user, tool, format) => {
        const body = {
          model: 'a',
          messages: [
            { role: 'system', content: system },
            { role: 'user', content: [{ type: 'text', text: user }] },
          ],
          tools: [{ type: 'function', function: { name: 'n', description: tool } }],
          documents: [format],
        }
        const bytes = [system, user, tool, format].reduce((sum, one) => sum + Buffer.byteLength(one), 0)
        expect(read(body).needs.maxInputTokens).toBeGreaterThanOrEqual(bytes + 2 * 4)
      }),
    )
  })

  it('counts images by their bound, not by the length of their data', () => {
    const image = (url: string, detail?: string): unknown => ({
      type: 'image_url',
      image_url: { url, ...(detail === undefined ? {} : { detail }) },
    })
    const bound = (...parts: unknown[]): number => read({ model: 'a', messages: [{ role: 'user', content: parts }] }).needs.maxInputTokens
    const one = bound(image(`data:image/png;base64,${'A'.repeat(1_000_000)}`))
    expect(one).toBeGreaterThanOrEqual(IMAGE_TOKENS)
    expect(one).toBeLessThan(IMAGE_TOKENS + 1000)
    expect(bound(image('https://i.example/x.png', 'low'))).toBeLessThan(one)
    expect(bound({ type: 'file', file: { file_id: 'file_1' } })).toBeGreaterThan(200_000)
  })
})
