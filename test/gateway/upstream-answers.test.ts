/** Transport and decoder together on a real socket: what an upstream can do to a stream that has begun. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ClosableTransport } from '../../src/gateway/transport.ts'
import { chatCompletions } from '../../src/protocol/chat-completions/index.ts'
import { summarise, type Expected } from '../support/fixtures.ts'
import { createBench } from '../support/transport.ts'
import { sse, type Answer } from '../support/upstream.ts'
import { collectParts } from '../support/parts.ts'

const { transportOf, upstreamOf } = createBench()

async function answerOf(answer: Answer, transport: ClosableTransport = transportOf()): Promise<Expected> {
  const upstream = await upstreamOf(answer)
  const call = { method: 'POST', url: `${upstream.url}/chat/completions`, headers: {}, body: Buffer.from('{}') } as const
  const { body } = await transport(call, { signal: new AbortController().signal })
  return summarise(await collectParts(chatCompletions.upstream.decodeStream(body)))
}

const token = (content: string): unknown => ({ id: 'x', model: 'm', choices: [{ index: 0, delta: { content } }] })
const tokens = sse(token('one '), token('two '), token('three'))
const whole = `${tokens}${sse({ id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, '[DONE]')}`

describe('a stream over a real socket', () => {
  it.each<[string, Answer, Expected]>([
    ['whole', { stream: [whole] }, { text: 'one two three', finish: ['stop'] }],
    ['byte by byte', { stream: [{ drip: whole, everyMs: 0 }] }, { text: 'one two three', finish: ['stop'] }],
    [
      'compressed though nobody asked',
      { body: gzipSync(whole), headers: { 'content-encoding': 'gzip' } },
      { text: 'one two three', finish: ['stop'] },
    ],
    [
      'kept alive by comments first',
      { stream: [': wait\n\n', { ms: 30 }, ': wait\n\n', { ms: 30 }, whole] },
      { text: 'one two three', finish: ['stop'] },
    ],
    [
      'with 200 cookies',
      { stream: [whole], headers: { 'set-cookie': Array.from({ length: 200 }, (_, at) => `c=${at}`) } },
      { text: 'one two three', finish: ['stop'] },
    ],
    ['reset after three tokens', { stream: [tokens, { ms: 30 }, 'cut'] }, { error: 'stream_incomplete' }],
    ['ended after three tokens', { stream: [tokens] }, { error: 'stream_incomplete' }],
    [
      'an error after three tokens',
      { stream: [tokens, sse({ error: { message: 'overloaded', code: 503 } })] },
      { error: 'upstream_error' },
    ],
    ['one endless line', { stream: Array.from({ length: 20 }, () => 'x'.repeat(1 << 20)) }, { error: 'upstream_bad_stream' }],
    ['no stream at all', { json: { choices: [] } }, { error: 'stream_incomplete' }],
  ])('%s', async (_, answer, expected) => {
    expect(await answerOf(answer)).toEqual(expected)
  })

  it('stalls after three tokens', async () => {
    const transport = transportOf({ timeouts: { idleMs: 100 } })
    expect(await answerOf({ stream: [tokens, 'stall'] }, transport)).toEqual({ error: 'idle_timeout' })
  })

  it('stalls after the finish, which is no harm', async () => {
    const transport = transportOf({ timeouts: { idleMs: 100 } })
    const finished = `${tokens}${sse({ id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}`
    expect(await answerOf({ stream: [finished, 'stall'] }, transport)).toEqual({ text: 'one two three', finish: ['stop'] })
  })
})
