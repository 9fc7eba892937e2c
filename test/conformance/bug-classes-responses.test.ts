/** Mistakes seen in other gateways that the Responses wire decides; one test for each class. */
import { describe, expect, it } from 'vitest'
import { foldParts } from '../../src/completion/fold.ts'
import type { CompletionPart } from '../../src/completion/part.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { chatCompletions } from '../../src/protocol/chat-completions/index.ts'
import { responses } from '../../src/protocol/responses/index.ts'
import { restoreParts } from '../../src/protocol/restore.ts'
import { collect, from } from '../support/fixtures.ts'
import { wireOf } from '../support/wire.ts'
import { agentRequest } from '../unit/protocol/responses/agent-request.ts'
import { checkGrammar, eventsOf } from '../unit/protocol/responses/grammar.ts'
import { collectEvents, collectParts, oneByOne } from '../support/parts.ts'

const { decodeRequest, encodeStream } = responses.caller
const { decodeStream } = responses.upstream

const contextOf = (body: Readonly<Record<string, unknown>> = { model: 'm', input: 'hi' }) => ({
  requestId: 'req_1',
  model: 'm',
  nowSeconds: 5,
  request: decodeRequest(wireOf(body)),
})
const write = (parts: readonly CompletionPart[]): Promise<string[]> => collectEvents(encodeStream(oneByOne(parts), contextOf()))
const read = (events: readonly object[]): Promise<CompletionPart[]> =>
  collectParts(decodeStream(from([new TextEncoder().encode(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))])))

const start: CompletionPart = { type: 'start', id: '', model: 'm' }
const said: CompletionPart[] = [
  { type: 'text-start', block: 0, candidate: 0 },
  { type: 'text-delta', block: 0, text: 'Hi' },
  { type: 'text-end', block: 0 },
]
const stop: CompletionPart = { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined }

describe('requests', () => {
  it('13: what is encrypted stays with its item’s id, and a thought of another issuer is left out whole', () => {
    const asked = decodeRequest(wireOf(agentRequest))
    const sent = (provider: string): string => {
      const issued = { ...asked, turns: asked.turns.map((turn) => ({ ...turn, parts: turn.parts.map((part) => ownedBy(part)) })) }
      return JSON.stringify(responses.upstream.encodeRequest(issued, { model: 'gpt-5.6', stream: true, provider }).body)
    }
    const ownedBy = (part: (typeof asked.turns)[number]['parts'][number]): typeof part =>
      part.type === 'reasoning' ? { ...part, carriers: part.carriers.map((carrier) => ({ ...carrier, provider: 'acme' })) } : part
    expect(sent('acme')).toContain(
      '"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"thinking"}],"encrypted_content":"ENC1"',
    )
    expect(sent('other')).not.toMatch(/rs_1|ENC1|thinking/)
  })

  it('14: items that are not modelled are reported or refused by the next wire, never lost', () => {
    const input = [
      { role: 'user', content: 'x' },
      { type: 'program', id: 'p', code: 'x' },
      { type: 'web_search_call', id: 'w', status: 'completed' },
    ]
    const { losses } = chatCompletions.upstream.encodeRequest(decodeRequest(wireOf({ model: 'm', input })), { model: 'm', stream: false })
    expect(losses.map(({ feature, action, path }) => [feature, action, path])).toEqual(
      expect.arrayContaining([
        ['content.foreign', 'refused', expect.any(String)],
        ['unknown_field', 'omitted', 'input[2]'],
      ]),
    )
  })

  it('15: instructions are said to whoever answers', () => {
    const { body } = chatCompletions.upstream.encodeRequest(decodeRequest(wireOf({ model: 'm', input: 'x', instructions: 'Be brief.' })), {
      model: 'm',
      stream: false,
    })
    expect(body).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'x' },
      ],
    })
  })

  it('17: a choice is a word or a named tool, never an object with a mode', () => {
    const asked = { ...decodeRequest(wireOf({ model: 'm', input: 'x' })), toolChoice: { mode: 'auto' } as const }
    const tools = [{ type: 'function', name: 'f', schema: { type: 'object', properties: {} } }] as const
    expect(responses.upstream.encodeRequest({ ...asked, tools }, { model: 'm', stream: false }).body).toMatchObject({ tool_choice: 'auto' })
  })
})

describe('answers', () => {
  it('6: a call whose arguments were cut is never shown as one to run', async () => {
    const call: CompletionPart[] = [
      { type: 'tool-input-start', block: 1, candidate: 0, id: 'c', name: 'f', freeform: false },
      { type: 'tool-input-delta', block: 1, text: '{"path":"/' },
    ]
    for (const ending of [
      [],
      [{ type: 'tool-input-end', block: 1 } as const],
      [{ type: 'error', error: new RouteplaneError('idle_timeout', 'x') } as const],
    ]) {
      expect((await write([start, ...call, ...ending])).join('')).not.toContain('response.output_item.done')
    }
  })

  it('18: texts, a call and a text stay in their order', async () => {
    const parts = await read([
      { type: 'response.created', response: { id: 'r', model: 'm' } },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: { id: 'a', type: 'message', content: [{ type: 'output_text', text: 'one' }] },
      },
      {
        type: 'response.output_item.done',
        output_index: 1,
        item: { id: 'b', type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      },
      {
        type: 'response.output_item.done',
        output_index: 2,
        item: { id: 'd', type: 'message', content: [{ type: 'output_text', text: 'two' }] },
      },
      { type: 'response.completed', response: { id: 'r', status: 'completed', output: [] } },
    ])
    expect((await foldParts(oneByOne(parts))).candidates[0]?.content.map((part) => (part.type === 'text' ? part.text : part.type))).toEqual(
      ['one', 'tool-call', 'two'],
    )
    const response = checkGrammar(await write(parts))
    expect(response['output']).toMatchObject([{ type: 'message' }, { type: 'function_call' }, { type: 'message' }])
  })

  it('25: each write is whole events', async () => {
    const writes = await collect(encodeStream(oneByOne([start, ...said, stop]), contextOf()))
    for (const events of writes) expect(events).toMatch(/^(?:event: [^\n]+\ndata: [^\n]+\n\n)+$/)
  })

  it('26: no [DONE] is written, and one that comes is not taken for an end', async () => {
    expect((await write([start, ...said, stop])).join('')).not.toContain('[DONE]')
    const parts = await collectParts(
      decodeStream(from([new TextEncoder().encode('data: {"type":"response.created","response":{}}\n\ndata: [DONE]\n\n')])),
    )
    expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
  })

  it('27: an end without a terminal event is a failure, in both directions', async () => {
    const cut = await read([
      { type: 'response.created', response: {} },
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'H' },
    ])
    expect(cut.at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_incomplete' } })
    expect(checkGrammar(await write([start, ...said]))).toMatchObject({ status: 'failed' })
  })

  it('28: an error in a body of status 200 is an error', () => {
    const failed = { object: 'response', status: 'failed', output: [], error: { code: 'server_error', message: 'x' } }
    for (const body of [
      failed,
      { ...failed, error: null },
      { error: { message: 'x' } },
      { status: 'in_progress', output: [] },
      'OK',
      null,
    ]) {
      expect(() => responses.upstream.decodeResult(body)).toThrow(expect.objectContaining({ code: 'upstream_error' }))
    }
  })

  it('33: a stop sequence that this wire cannot be told of is cut by us', async () => {
    const asked = { ...decodeRequest(wireOf({ model: 'm', input: 'x' })), stop: ['END'] }
    const { body, restore } = responses.upstream.encodeRequest(asked, { model: 'm', stream: true })
    expect(body).not.toHaveProperty('stop')
    const events = ['a E', 'ND b'].map((delta) => ({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta }))
    const parts = await read([
      { type: 'response.created', response: {} },
      ...events,
      { type: 'response.completed', response: { status: 'completed', output: [] } },
    ])
    const { candidates } = await foldParts(restoreParts(oneByOne(parts), restore))
    expect(candidates[0]).toMatchObject({ content: [{ text: 'a ' }], finish: { reason: 'stop_sequence', stopSequence: 'END' } })
  })

  it('34: the terminal event repeats all of the output', async () => {
    const events = eventsOf(await write([start, ...said, stop]))
    expect(events.at(-1)).toMatchObject({ response: { output: [{ content: [{ type: 'output_text', text: 'Hi' }] }] } })
  })

  it('36: what an upstream says of itself does not reach the caller unscrubbed', async () => {
    const error = responses.upstream.decodeError(401, '{"error":{"message":"bad key sk-abcdefghijklmnopqrstuvwxyz012345\\u0007"}}')
    const writes = (await write([start, { type: 'error', error }])).join('')
    expect(writes).not.toMatch(/sk-abcdefghijklmnop/)
    expect(writes).not.toContain('\\u0007')
  })
})
