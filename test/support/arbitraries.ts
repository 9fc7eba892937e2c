/** Random neutral requests and answers, within what every part of Chat Completions can carry. */
import fc from 'fast-check'
import type { CompletionResult, Candidate } from '../../src/completion/result.ts'
import type { CompletionRequest, Content, SystemBlock, Tool, Turn } from '../../src/completion/request.ts'
import type { Finish } from '../../src/completion/part.ts'
import { readToolArguments } from '../../src/completion/tool-arguments.ts'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const name = fc.stringMatching(/^[a-z_]{1,12}$/)
/** JSON has no negative zero. */
const json = fc
  .dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, fc.JsonValue>)
const maybe = <Key extends string, T>(key: Key, value: fc.Arbitrary<T>): fc.Arbitrary<{ [K in Key]?: T }> =>
  fc.oneof(
    fc.constant({}),
    value.map((one) => ({ [key]: one }) as { [K in Key]?: T }),
  )

const cache = maybe('cache', fc.constantFrom({}, { ttl: '30m' as const }, { ttl: '12h' as const }))
const text = fc.tuple(words, cache).map(([value, mark]): Content => ({ type: 'text', text: value, ...mark }))
const base64 = fc.base64String({ minLength: 4, maxLength: 24 })
const media = fc.oneof(
  fc.tuple(base64, maybe('detail', fc.constantFrom('low' as const, 'original' as const)), cache).map(([data, detail, mark]): Content => ({
    type: 'image',
    source: { kind: 'inline', mimeType: 'image/png', base64: data },
    ...detail,
    ...mark,
  })),
  fc.webUrl().map((url): Content => ({ type: 'image', source: { kind: 'url', url } })),
  base64.map((data): Content => ({ type: 'audio', source: { kind: 'inline', mimeType: 'audio/mpeg', base64: data } })),
  fc.tuple(base64, maybe('filename', words)).map(([data, filename]): Content => ({
    type: 'file',
    source: { kind: 'inline', mimeType: 'application/pdf', base64: data },
    ...filename,
  })),
  words.map((id): Content => ({ type: 'file', source: { kind: 'id', wire: 'chat_completions', id } })),
)
const carriers = fc
  .array(json, { minLength: 1, maxLength: 2 })
  .map((details) => [{ wire: 'chat_completions' as const, kind: 'reasoning_details' as const, value: JSON.stringify(details) }])
const thought = fc
  .tuple(fc.array(words, { maxLength: 1 }), fc.oneof(fc.constant([]), carriers))
  .filter(([said, kept]) => said.length + kept.length > 0)
  .map(([said, kept]): Content => ({ type: 'reasoning', form: 'full', text: said, carriers: kept }))
const call = fc.oneof(
  fc
    .tuple(
      words,
      name,
      json,
      maybe(
        'carriers',
        words.map((value) => [{ wire: 'chat_completions' as const, kind: 'thought_signature' as const, value }]),
      ),
    )
    .map(([id, tool, given, kept]): Content => ({
      type: 'tool-call',
      id,
      name: tool,
      arguments: readToolArguments(JSON.stringify(given)),
      ...kept,
    })),
  fc
    .tuple(words, name, words)
    .map(([id, tool, input]): Content => ({ type: 'tool-call', id, name: tool, arguments: { kind: 'text', text: input } })),
)

const turnName = maybe('name', name)
const userTurn = fc
  .tuple(fc.array(fc.oneof(text, media), { maxLength: 4 }), turnName)
  .map(([parts, named]): Turn => ({ role: 'user', parts, ...named }))
const systemTurn = fc
  .tuple(fc.constantFrom('system' as const, 'developer' as const), fc.array(text, { maxLength: 2 }), turnName)
  .map(([role, parts, named]): Turn => ({ role, parts, ...named }))
const assistantTurn = fc
  .tuple(fc.array(thought, { maxLength: 1 }), fc.array(text, { maxLength: 3 }), fc.array(call, { maxLength: 3 }), turnName)
  .map(([thoughts, texts, calls, named]): Turn => ({ role: 'assistant', parts: [...thoughts, ...texts, ...calls], ...named }))
const toolTurn = fc
  .tuple(
    words,
    fc.array(
      words.map((value) => ({ type: 'text' as const, text: value })),
      { maxLength: 2 },
    ),
  )
  .map(([callId, content]): Turn => ({ role: 'tool', parts: [{ type: 'tool-result', callId, isError: false, content }] }))
const block = fc
  .tuple(words, fc.constantFrom('system' as const, 'developer' as const), cache)
  .map(([value, role, mark]): SystemBlock => ({ text: value, role, ...mark }))

const tool = fc.oneof(
  fc
    .tuple(name, json, maybe('description', words), maybe('strict', fc.boolean()))
    .map(([tool, schema, description, strict]): Tool => ({ type: 'function', name: tool, schema, ...description, ...strict })),
  fc
    .tuple(name, maybe('grammar', fc.record({ syntax: fc.constantFrom('lark' as const, 'regex' as const), definition: words })))
    .map(([tool, grammar]): Tool => ({ type: 'freeform', name: tool, ...grammar })),
)

const number = fc.integer({ min: 1, max: 100 })

/** Requests that Chat Completions can say without a loss. */
export const neutralRequest: fc.Arbitrary<CompletionRequest> = fc
  .record({
    system: fc.array(block, { maxLength: 2 }),
    first: userTurn,
    turns: fc.array(fc.oneof(userTurn, systemTurn, assistantTurn, toolTurn), { maxLength: 5 }),
    tools: fc.array(tool, { maxLength: 3 }),
    stop: fc.array(words, { maxLength: 3 }),
    candidates: fc.integer({ min: 1, max: 4 }),
    sampling: fc.record(
      {
        temperature: number,
        topP: number,
        topK: number,
        seed: number,
        logprobs: fc.boolean(),
        logitBias: fc.dictionary(name, number),
        presencePenalty: number,
      },
      { requiredKeys: [] },
    ),
    output: fc.oneof(
      fc.constant({ kind: 'text' as const }),
      fc.constant({ kind: 'json' as const }),
      fc
        .tuple(json, name, maybe('strict', fc.boolean()))
        .map(([schema, named, strict]) => ({ kind: 'schema' as const, schema, name: named, ...strict })),
    ),
    choice: maybe(
      'toolChoice',
      fc.constantFrom(
        { mode: 'auto' as const },
        { mode: 'required' as const },
        { mode: 'tool' as const, name: 'n' },
        { mode: 'auto' as const, allowed: ['a', 'b'] },
      ),
    ),
    parallel: maybe('parallelToolCalls', fc.boolean()),
    limit: maybe('maxOutputTokens', number),
    reasoning: maybe('reasoning', fc.constantFrom({ effort: 'none' as const }, { effort: 'xhigh' as const })),
    account: fc.record(
      { user: words, metadata: fc.dictionary(name, words), store: fc.boolean(), service_tier: name },
      { requiredKeys: [] },
    ),
  })
  .map(({ first, choice, parallel, limit, reasoning, turns, ...rest }) => ({
    model: 'm/x',
    ...rest,
    turns: [first, ...turns],
    ...choice,
    ...parallel,
    ...limit,
    ...reasoning,
    outputModalities: ['text' as const],
    stream: false,
    state: {},
    unknown: [],
  }))

const candidate = fc
  .tuple(
    fc.array(thought, { maxLength: 1 }),
    fc.array(
      words.map((value): Content => ({ type: 'text', text: value })),
      { maxLength: 1 },
    ),
    fc.array(call, { maxLength: 3 }),
  )
  .map(([thoughts, texts, calls]) => ({ content: [...thoughts, ...texts, ...calls], hasCalls: calls.length > 0 }))

/** Whole answers that Chat Completions can say without a loss. */
export const neutralResult: fc.Arbitrary<CompletionResult> = fc
  .record({
    id: words,
    model: words,
    createdSeconds: fc.integer({ min: 1, max: 2_000_000_000 }),
    candidates: fc.array(candidate, { minLength: 1, maxLength: 3 }),
    inputTokens: fc.nat(1_000_000),
    outputTokens: fc.nat(1_000_000),
  })
  .map(({ inputTokens, outputTokens, candidates, ...rest }) => ({
    ...rest,
    candidates: candidates.map(({ content, hasCalls }, index): Candidate => {
      const finish: Finish = { candidate: index, reason: hasCalls ? 'tool_calls' : 'stop', raw: hasCalls ? 'tool_calls' : 'stop' }
      return { index, content, extras: [], finish }
    }),
    usage: { inputTokens, outputTokens, origin: 'provider' as const },
  }))
