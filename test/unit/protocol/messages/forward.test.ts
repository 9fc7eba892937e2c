/** The native lane of Messages: the caller's bytes, his headers, and an eye on the answer. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldParts } from '../../../../src/completion/fold.ts'
import { wrapCarrier } from '../../../../src/protocol/carrier.ts'
import { messages } from '../../../../src/protocol/messages/index.ts'
import { forwardCount } from '../../../../src/protocol/messages/count-tokens.ts'
import { ask, block, bytes, everything, frame, messageDelta, messageStart, messageStop, textBlock, wireOf, type Event } from './support.ts'

const target = { model: 'claude-x', stream: false }
const forward = (json: Record<string, unknown>, headers: Record<string, string> = {}, query = '') =>
  messages.upstream.forward(wireOf(json, headers, query), target)
const textOf = (body: Uint8Array) => Buffer.from(body).toString('utf8')

describe('a forwarded request', () => {
  it('is the bytes that came, with the model set and our fields out', () => {
    const raw =
      '{ "max_tokens":5,\n "messages":[{"role":"user","content":"h\\u00e9 1.0"}],"model":"a/b","provider":{"only":["x"]},"new_field":{"z":1,"a":2}, "max_cost_usd":"1" }'
    const wire = { ...wireOf(JSON.parse(raw) as Record<string, unknown>), body: Buffer.from(raw) }
    const { path, body, hideUsageChunk } = messages.upstream.forward(wire, target)
    expect(textOf(body)).toBe(
      '{ "max_tokens":5,\n "messages":[{"role":"user","content":"h\\u00e9 1.0"}],"model":"claude-x","new_field":{"z":1,"a":2} }',
    )
    expect({ path, hideUsageChunk }).toEqual({ path: '/messages', hideUsageChunk: false })
  })

  it('has the version and the features that the caller named, as he wrote them, and nothing of who he is', () => {
    const { headers } = forward(ask, {
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'b-2, a-1',
      'anthropic-workspace-id': 'w',
      'x-claude-code-session-id': 's',
      cookie: 'c',
    })
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'b-2, a-1',
      'anthropic-workspace-id': 'w',
    })
    expect(forward(ask).headers['anthropic-version']).toBe('2023-06-01')
    expect(forward({ ...ask, stream: true }).headers['accept']).toBe('text/event-stream')
  })

  it('keeps of the query what is the vendor\u2019s', () => {
    expect(forward(ask, {}, 'beta=true&preset=mine').path).toBe('/messages?beta=true')
    expect(forwardCount(wireOf(ask, {}, 'beta=true'), target).path).toBe('/messages/count_tokens?beta=true')
    expect(forward(ask, {}, 'preset=mine').path).toBe('/messages')
  })

  it('has no envelope of ours in it: a value of this wire is opened, another model\u2019s thought is left out', () => {
    const own = wrapCarrier({ wire: 'messages', provider: 'anthropic', kind: 'signature', value: 'S==' })
    const theirs = wrapCarrier({ wire: 'responses', kind: 'encrypted_content', value: 'gAAA' })
    const content = [
      { type: 'thinking', thinking: 'a', signature: own },
      { type: 'thinking', thinking: 'b', signature: theirs },
      { type: 'redacted_thinking', data: theirs },
      { type: 'thinking', thinking: 'c', signature: 'real==' },
      { type: 'text', text: 'x' },
    ]
    const turns = (blocks: readonly unknown[]) => [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: blocks },
      { role: 'user', content: 'go' },
    ]
    const { body } = forward({ ...ask, messages: turns(content) })
    expect((JSON.parse(textOf(body)) as typeof ask).messages).toEqual(
      turns([
        { type: 'thinking', thinking: 'a', signature: 'S==' },
        { type: 'thinking', thinking: 'c', signature: 'real==' },
        { type: 'text', text: 'x' },
      ]),
    )
  })

  it('is read as it came when there is nothing of ours in it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json = { model: 'a/b', messages: value }
        const expected = JSON.stringify(json).replace('"a/b"', '"claude-x"')
        expect(textOf(forward(json).body)).toBe(expected)
      }),
    )
  })
})

it('a key goes into its own header, a subscription\u2019s token is a bearer', () => {
  expect(messages.upstream.authorize('sk-ant-api03-x')).toEqual({ 'x-api-key': 'sk-ant-api03-x' })
  expect(messages.upstream.authorize('sk-ant-oat01-x')).toEqual({ authorization: 'Bearer sk-ant-oat01-x' })
})

it('nothing of a stream is hidden', () => {
  const filter = messages.upstream.createUsageFilter()
  expect(textOf(filter.push(Buffer.from('abc'))) + textOf(filter.end())).toBe('abc')
})

describe('the tap', () => {
  const tap = (text: string, size = 7) => {
    const watch = messages.upstream.createTap()
    const all = Buffer.from(text)
    let contentAt: number | undefined
    for (let at = 0; at < all.length; at += size) {
      if (watch.push(all.subarray(at, at + size))) contentAt ??= at
    }
    return { report: watch.end(), contentAt }
  }

  it('reports what the decoder reads, whatever the cuts', async () => {
    const text = frame(everything)
    const { usage } = await foldParts(messages.upstream.decodeStream(bytes(text)))
    for (const size of [1, 2, 13, 500, 100_000]) {
      const { report } = tap(text, size)
      expect(report).toMatchObject({ usage: { ...usage }, model: 'claude-x', finishReason: 'tool_use' })
      expect(report.error).toBeUndefined()
      expect(report.deliveredCharacters).toBeGreaterThan(40)
    }
  })

  it('joins the figures of the first event with those of the last, however much lies between', () => {
    const long = textBlock(0, ...Array.from({ length: 20_000 }, () => 'twelve chars'))
    const start: Event = {
      type: 'message_start',
      message: { model: 'm', usage: { input_tokens: 9, cache_read_input_tokens: 90, output_tokens: 1 } },
    }
    const { report } = tap(frame([start, ...long, messageDelta('end_turn', 321), messageStop]), 1000)
    expect(report.usage).toMatchObject({ inputTokens: 99, cacheReadTokens: 90, outputTokens: 321 })
    const share = report.deliveredCharacters / (20_000 * 12)
    expect(share).toBeGreaterThan(0.95)
    expect(share).toBeLessThan(1.05)
  })

  it('has seen content when there is some, and not when a block is only announced', () => {
    const head = frame([
      messageStart,
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ])
    expect(tap(head).contentAt).toBeUndefined()
    expect(tap(head + frame([{ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x' } }])).contentAt).toBeDefined()
    expect(tap(frame([messageStart, ...block(0, { type: 'tool_use', id: 't', name: 'f', input: {} })])).contentAt).toBeDefined()
    expect(tap(frame([messageStart, messageDelta('end_turn')])).contentAt).toBeDefined()
  })

  it.each([
    ['an error event', [messageStart, { type: 'error', error: { type: 'overloaded_error', message: 'x' } }], 'upstream_error'],
    ['an error as reason', [messageStart, messageDelta('error'), messageStop], 'upstream_error'],
    ['no end', [messageStart, ...textBlock(0, 'x')], 'stream_incomplete'],
    ['an end without a reason', [messageStart, ...textBlock(0, 'x'), messageStop], 'stream_incomplete'],
  ])('reports %s', (_name, events, code) => {
    expect(tap(frame(events)).report.error?.code).toBe(code)
  })

  it('never throws, whatever passes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (chunks) => {
        const watch = messages.upstream.createTap()
        for (const chunk of chunks) watch.push(chunk)
        expect(watch.end().deliveredCharacters).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
