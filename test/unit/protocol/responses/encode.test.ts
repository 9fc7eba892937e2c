/** Encoding of answers: streams keep the grammar, and mean what went in. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldAll } from '../../../../src/completion/fold.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { isRecord } from '../../../../src/lib/json.ts'
import { unwrapCarrier } from '../../../../src/protocol/carrier.ts'
import { responses } from '../../../../src/protocol/responses/index.ts'
import { from } from '../../../support/fixtures.ts'
import { wireOf } from '../../../support/wire.ts'
import { answer } from './answers.ts'
import { checkGrammar, eventsOf } from './grammar.ts'
import { summarise } from './summary.ts'
import { collectEvents, collectParts, oneByOne } from '../../../support/parts.ts'

const { decodeRequest, encodeResult, encodeStream } = responses.caller
const { decodeResult, decodeStream } = responses.upstream

function contextOf(body: Readonly<Record<string, unknown>> = {}) {
  return {
    requestId: 'req_01abc',
    model: 'acme/north',
    nowSeconds: 1_790_000_000,
    request: decodeRequest(wireOf({ model: 'acme/north', input: 'hi', ...body })),
  }
}

const finish = (reason: 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'error' | 'malformed_tool_call'): CompletionPart => ({
  type: 'finish',
  finishes: [{ candidate: 0, reason }],
  usage: undefined,
})
const start: CompletionPart = { type: 'start', id: 'chatcmpl-9', model: 'north-2' }
const call = (pieces: readonly string[], name = 'weather', freeform = false): CompletionPart[] => [
  { type: 'tool-input-start', block: 1, candidate: 0, id: 'call_1', name, freeform },
  ...pieces.map((text): CompletionPart => ({ type: 'tool-input-delta', block: 1, text })),
  { type: 'tool-input-end', block: 1 },
]
const said: CompletionPart[] = [
  { type: 'text-start', block: 0, candidate: 0 },
  { type: 'text-delta', block: 0, text: 'Hello' },
  { type: 'text-end', block: 0 },
]

async function write(parts: readonly CompletionPart[], body: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
  return collectEvents(encodeStream(oneByOne(parts), contextOf(body)))
}

function outputOf(response: Readonly<Record<string, unknown>>): readonly Record<string, unknown>[] {
  return Array.isArray(response['output']) ? response['output'].filter(isRecord) : []
}

/** What survives the wire: texts by their order, thoughts as summaries, carriers sealed in envelopes. */
function meaning(parts: readonly CompletionPart[], isSealed: boolean) {
  const summary = summarise(parts)
  const carriers = parts.flatMap((part) => (part.type === 'reasoning-end' ? part.carriers : []))
  const values = carriers
    .map((carrier) => (isSealed ? unwrapCarrier(carrier.value) : carrier))
    .map((carrier) => `${carrier?.wire}:${carrier?.provider}:${carrier?.value}`)
  return {
    ...summary,
    carriers: values.toSorted(),
    thought: typeof summary['thought'] === 'string' ? summary['thought'].replaceAll('|', '') : '',
  }
}

describe('encodeStream', () => {
  it('keeps the grammar and the meaning of every answer', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (parts) => {
        const writes = await write(parts)
        const response = checkGrammar(writes)
        expect(response['status']).toBe('completed')
        const again = await collectParts(decodeStream(from([new TextEncoder().encode(writes.join(''))])))
        const [before, after] = [meaning(parts, false), meaning(again, true)]
        // Blocks that overlap are shown in the order of their first words.
        for (const key of ['text', 'thought'] as const) {
          expect([...String(after[key as keyof typeof after] ?? '')].toSorted()).toEqual(
            [...String(before[key as keyof typeof before] ?? '')].toSorted(),
          )
        }
        expect({ ...after, text: '', thought: '', calls: [], citations: [], images: [] }).toEqual({
          ...before,
          text: '',
          thought: '',
          calls: [],
          citations: [],
          images: [],
        })
        for (const key of ['calls', 'citations', 'images'] as const) {
          const sorted = (value: unknown): unknown => (Array.isArray(value) ? value.map(String).toSorted() : [])
          expect(sorted((after as Record<string, unknown>)[key])).toEqual(sorted((before as Record<string, unknown>)[key]))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('says the same streamed and whole', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (parts) => {
        const result = foldAll(parts)
        const whole = encodeResult(result, contextOf())
        expect(summarise(partsOf(whole))).toEqual(summarise(partsOf(encodeResult(decodeResult(whole), contextOf()))))
        const streamed = checkGrammar(await write(parts))
        expect(isRecord(whole) ? Object.keys(whole) : []).toEqual(Object.keys(streamed))
      }),
    )
  })

  it('ends at any cut with a legal failed response that shows no unfinished item', async () => {
    await fc.assert(
      fc.asyncProperty(answer, fc.nat(), async (parts, at) => {
        const response = checkGrammar(await write(parts.slice(0, at % parts.length)))
        expect(response).toMatchObject({ status: 'failed', error: { code: 'server_error', routeplane_code: 'stream_incomplete' } })
      }),
    )
  })

  it('tells an error as response.failed, with a code that agents act on', async () => {
    const error = new RouteplaneError('upstream_rate_limited', 'the upstream answered 429', { money: 'settled' })
    const response = checkGrammar(await write([start, ...said.slice(0, 2), { type: 'error', error }]))
    expect(response).toMatchObject({ status: 'failed', error: { code: 'rate_limit_exceeded', money: 'settled' }, output: [] })
    const overflow = new RouteplaneError('invalid_request', 'too long', { details: { upstreamCode: 'context_length_exceeded' } })
    expect(checkGrammar(await write([start, { type: 'error', error: overflow }]))).toMatchObject({
      error: { code: 'context_length_exceeded' },
    })
  })

  it('answers a source that throws with response.failed too', async () => {
    async function* broken(): AsyncGenerator<CompletionPart> {
      yield start
      throw new Error('with a secret in it')
    }
    const writes = await collectEvents(encodeStream(oneByOne(broken()), contextOf()))
    expect(checkGrammar(writes)).toMatchObject({ status: 'failed' })
    expect(writes.join('')).not.toContain('secret')
  })

  it('does not finish a call whose arguments were cut', async () => {
    const cutShort = checkGrammar(await write([start, ...call(['{"a":']), finish('length')]))
    expect(cutShort).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
    expect(outputOf(cutShort)).toMatchObject([{ type: 'function_call', status: 'incomplete', arguments: '{"a":' }])
    const writes = await write([start, ...call(['{"a":']), finish('malformed_tool_call')])
    expect(checkGrammar(writes)).toMatchObject({ status: 'failed', output: [] })
    expect(writes.join('')).not.toContain('output_item.done')
  })

  it('writes {} for a call without arguments', async () => {
    const writes = await write([start, ...call([]), finish('tool_calls')])
    expect(outputOf(checkGrammar(writes))).toMatchObject([{ arguments: '{}', name: 'weather', call_id: 'call_1' }])
    expect(eventsOf(writes).filter(({ type }) => type === 'response.function_call_arguments.delta')).toMatchObject([{ delta: '{}' }])
  })

  it('has no [DONE], and ids of its own form', async () => {
    const writes = await write([start, ...said, finish('stop')])
    expect(writes.join('')).not.toContain('[DONE]')
    expect(checkGrammar(writes)).toMatchObject({ id: 'resp_01abc', model: 'north-2', object: 'response' })
    expect(checkGrammar(await write([{ ...start, id: 'resp_up' }, ...said, finish('stop')]))).toMatchObject({ id: 'resp_up' })
  })

  it('gives every member that Open Responses wants, null only where it may be', async () => {
    const response = checkGrammar(await write([start, ...said, finish('stop')], { metadata: { a: 'b' }, temperature: 0.5, store: true }))
    const nullable = [
      'previous_response_id',
      'instructions',
      'error',
      'incomplete_details',
      'max_output_tokens',
      'max_tool_calls',
      'safety_identifier',
      'prompt_cache_key',
      'reasoning',
      'usage',
    ]
    const whole = [
      'completed_at',
      'temperature',
      'top_p',
      'presence_penalty',
      'frequency_penalty',
      'top_logprobs',
      'store',
      'background',
      'service_tier',
      'truncation',
      'text',
      'tools',
      'tool_choice',
      'parallel_tool_calls',
      'metadata',
    ]
    for (const name of [...nullable, ...whole]) expect(response).toHaveProperty(name)
    for (const name of whole) expect(response[name]).not.toBeNull()
    expect(response).toMatchObject({ metadata: { a: 'b' }, temperature: 0.5, store: false })
  })

  it('puts consecutive texts into one message and a text after a call into another', async () => {
    const text = (block: number, value: string): CompletionPart[] => [
      { type: 'text-start', block, candidate: 0 },
      { type: 'text-delta', block, text: value },
      { type: 'text-end', block },
    ]
    const response = checkGrammar(
      await write([start, ...text(0, 'a'), ...text(5, 'b'), ...call(['{}']), ...text(7, 'c'), finish('tool_calls')]),
    )
    const shape = outputOf(response).map(({ type, content }) => (Array.isArray(content) ? `${String(type)}:${content.length}` : type))
    expect(shape).toEqual(['message:2', 'function_call', 'message:1'])
  })

  it('hides candidates beyond the first', async () => {
    const other: CompletionPart[] = [
      { type: 'text-start', block: 9, candidate: 1 },
      { type: 'text-delta', block: 9, text: 'other' },
      { type: 'text-end', block: 9 },
    ]
    const writes = await write([start, ...other, ...said, finish('stop')])
    checkGrammar(writes)
    expect(writes.join('')).not.toContain('other')
  })

  it('shows a search of another wire, and this wire’s own items as they are', async () => {
    const items: CompletionPart[] = [
      {
        type: 'extra',
        block: 2,
        candidate: 0,
        extra: {
          kind: 'foreign',
          wire: 'messages',
          raw: { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'tide' } },
        },
      },
      {
        type: 'extra',
        block: 3,
        candidate: 0,
        extra: { kind: 'foreign', wire: 'responses', raw: { type: 'mcp_call', id: 'mcp_1', name: 'n' } },
      },
      { type: 'extra', block: 4, candidate: 0, extra: { kind: 'foreign', wire: 'generate_content', raw: { executableCode: {} } } },
    ]
    const response = checkGrammar(await write([start, ...items, ...said, finish('stop')]))
    expect(outputOf(response)).toMatchObject([
      { type: 'web_search_call', action: { query: 'tide' } },
      { type: 'mcp_call', id: 'mcp_1' },
      { type: 'message' },
    ])
  })
})

describe('calls of tools that are no plain functions', () => {
  const tools = [
    { type: 'tool_search', execution: 'client', parameters: { type: 'object', properties: { query: { type: 'string' } } } },
    { type: 'local_shell' },
    { type: 'shell', environment: { type: 'local' } },
    { type: 'apply_patch' },
    { type: 'namespace', name: 'crm', description: 'd', tools: [{ type: 'function', name: 'get', parameters: {}, strict: false }] },
  ]
  it.each([
    ['tool_search', '{"query":"x"}', { type: 'tool_search_call', execution: 'client', arguments: { query: 'x' }, call_id: 'call_1' }],
    ['local_shell', '{"command":["ls"]}', { type: 'local_shell_call', action: { type: 'exec', command: ['ls'], env: {} } }],
    ['shell', '{"commands":["ls"]}', { type: 'shell_call', action: { commands: ['ls'], timeout_ms: null } }],
    ['apply_patch', '{"operation":{"type":"delete_file","path":"a"}}', { type: 'apply_patch_call', operation: { path: 'a' } }],
    ['crm__get', '{}', { type: 'function_call', name: 'get', namespace: 'crm' }],
    ['apply_patch', '{"wrong":1}', { type: 'function_call', name: 'apply_patch', arguments: '{"wrong":1}' }],
    ['local_shell', '{"command":"rm"}', { type: 'function_call', name: 'local_shell' }],
  ])('gives back %s %s in its own shape', async (name, args, item) => {
    const response = checkGrammar(await write([start, ...call([args.slice(0, 5), args.slice(5)], name), finish('tool_calls')], { tools }))
    expect(outputOf(response)).toMatchObject([item])
    const history = decodeRequest(wireOf({ model: 'm', input: outputOf(response), tools }))
    expect(history.turns.flatMap(({ parts }) => parts)).toMatchObject([{ type: 'tool-call', id: 'call_1', name }])
  })
})

describe('signatures of other wires', () => {
  it('come back to the very part they were on', async () => {
    const signature = { wire: 'generate_content', provider: 'g', kind: 'thought_signature', value: 'c2ln' } as const
    const parts: CompletionPart[] = [
      start,
      ...said.slice(0, 2),
      { type: 'text-end', block: 0, carriers: [{ ...signature, value: 'dGV4dA' }] },
      ...call(['{}']).slice(0, 2),
      { type: 'tool-input-end', block: 1, carriers: [signature] },
      finish('tool_calls'),
    ]
    const output = outputOf(checkGrammar(await write(parts)))
    expect(output.map(({ type }) => type)).toEqual(['message', 'reasoning', 'function_call', 'reasoning'])
    const { turns } = decodeRequest(wireOf({ model: 'm', input: [{ role: 'user', content: 'x' }, ...output] }))
    expect(turns[1]?.parts).toEqual([
      { type: 'text', text: 'Hello', carriers: [{ ...signature, value: 'dGV4dA' }] },
      { type: 'tool-call', id: 'call_1', name: 'weather', arguments: { kind: 'json', text: '{}', value: {} }, carriers: [signature] },
    ])
  })
})

function partsOf(response: unknown): readonly CompletionPart[] {
  const result = decodeResult(response)
  return [
    { type: 'start', id: result.id, model: result.model },
    ...result.candidates.flatMap(({ content }) =>
      content.flatMap((part, block): CompletionPart[] =>
        part.type === 'text'
          ? [
              { type: 'text-start', block, candidate: 0 },
              { type: 'text-delta', block, text: part.text },
              { type: 'text-end', block },
            ]
          : [],
      ),
    ),
    { type: 'finish', finishes: result.candidates.map(({ finish: end }) => end), usage: result.usage },
  ]
}

describe('encodeError', () => {
  it('says it flat and nested, and names the response that is gone', () => {
    const error = new RouteplaneError('response_not_found', 'there is none', {
      details: { path: 'previous_response_id', upstreamCode: 'previous_response_not_found' },
    })
    const { status, body, event } = responses.caller.encodeError(error, 'req_1')
    expect(status).toBe(404)
    expect(body).toMatchObject({
      error: { code: 'previous_response_not_found', param: 'previous_response_id', type: 'invalid_request_error' },
    })
    expect(event).toMatch(/^event: error\ndata: \{"type":"error","sequence_number":0,"code":"previous_response_not_found"/)
    expect(event).toContain('"error":{"message"')
  })
})
