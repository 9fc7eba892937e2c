/** Random neutral requests and answers, within what Chat Completions can carry, at the vendor's or at a compatible server. */
import fc from 'fast-check'
import type { CompletionResult, Candidate } from '../../src/completion/result.ts'
import type { CompletionRequest, Content, SystemBlock, Tool, Turn } from '../../src/completion/request.ts'
import type { Finish } from '../../src/completion/part.ts'
import { readToolArguments } from '../../src/completion/tool-arguments.ts'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const name = fc.stringMatching(/^[a-z_]{1,12}$/)
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
/** JSON has no negative zero, so a value that holds one would not come back the same. */
export const jsonValue = fc
  .jsonValue({ maxDepth: 2 })
  .filter(
    (value) =>
      !JSON.stringify(value, (_key, member: unknown) => (Object.is(member, -0) ? 'NEGATIVE ZERO' : member)).includes('NEGATIVE ZERO'),
  )
const json = fc.dictionary(name, jsonValue, { maxKeys: 3 })
const maybe = <Key extends string, T>(key: Key, value: fc.Arbitrary<T>): fc.Arbitrary<{ [K in Key]?: T }> =>
  fc.oneof(
    fc.constant({}),
    value.map((one) => ({ [key]: one }) as { [K in Key]?: T }),
  )

/** Whose server a request is meant for: each takes what the other does not. */
type Server = 'vendor' | 'compatible'

const noMark: fc.Arbitrary<{ cache?: { ttl?: '30m' | '12h' } }> = fc.constant({})
const anyMark: typeof noMark = maybe('cache', fc.constantFrom({}, { ttl: '30m' as const }, { ttl: '12h' as const }))
const textOf = (cache: typeof noMark) => fc.tuple(words, cache).map(([value, mark]): Content => ({ type: 'text', text: value, ...mark }))
const base64 = fc.base64String({ minLength: 4, maxLength: 24 })
const mediaOf = (cache: typeof noMark) =>
  fc.oneof(
    fc.tuple(base64, maybe('detail', fc.constantFrom('low' as const, 'original' as const)), cache).map(([data, detail, mark]): Content => ({
      type: 'image',
      source: { kind: 'inline', mimeType: 'image/png', base64: data },
      ...detail,
      ...mark,
    })),
    fc.webUrl().map((url): Content => ({ type: 'image', source: { kind: 'url', url } })),
    base64.map((data): Content => ({ type: 'audio', source: { kind: 'inline', mimeType: 'audio/mpeg', base64: data } })),
    fc.tuple(base64, words).map(([data, filename]): Content => ({
      type: 'file',
      source: { kind: 'inline', mimeType: 'application/pdf', base64: data },
      filename,
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
const functionCall = fc
  .tuple(
    id,
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
  }))
const customCall = fc
  .tuple(id, name, words)
  .map(([id, tool, input]): Content => ({ type: 'tool-call', id, name: tool, arguments: { kind: 'text', text: input } }))

const turnName = maybe('name', name)
const userTurn = (cache: typeof noMark) =>
  fc
    .tuple(fc.array(fc.oneof(textOf(cache), mediaOf(cache)), { maxLength: 4 }), turnName)
    .map(([parts, named]): Turn => ({ role: 'user', parts, ...named }))
const systemTurn = (cache: typeof noMark) =>
  fc
    .tuple(fc.constantFrom('system' as const, 'developer' as const), fc.array(textOf(cache), { maxLength: 2 }), turnName)
    .map(([role, parts, named]): Turn => ({ role, parts, ...named }))
const callOf = (server: Server) => (server === 'vendor' ? fc.oneof(functionCall, customCall) : functionCall)
const assistantTurn = (server: Server, cache: typeof noMark) =>
  fc
    .tuple(
      fc.array(thought, { maxLength: server === 'vendor' ? 0 : 1 }),
      fc.array(textOf(cache), { maxLength: 3 }),
      fc.array(callOf(server), { maxLength: 3 }),
      turnName,
    )
    .map(([thoughts, texts, calls, named]): Turn => ({ role: 'assistant', parts: [...thoughts, ...texts, ...calls], ...named }))
const toolTurn = fc
  .tuple(
    id,
    fc.array(
      words.map((value) => ({ type: 'text' as const, text: value })),
      { maxLength: 2 },
    ),
  )
  .map(([callId, content]): Turn => ({ role: 'tool', parts: [{ type: 'tool-result', callId, isError: false, content }] }))
const blockOf = (cache: typeof noMark) =>
  fc
    .tuple(words, fc.constantFrom('system' as const, 'developer' as const), cache)
    .map(([value, role, mark]): SystemBlock => ({ text: value, role, ...mark }))

/** Schemas that strict mode takes as they are. */
const schema = fc.uniqueArray(name, { maxLength: 3 }).map((names) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((each) => [each, { type: 'string' }])),
  required: names,
  additionalProperties: false,
}))
const functionTool = fc
  .tuple(name, schema, maybe('description', words), maybe('strict', fc.boolean()))
  .map(([tool, schema, description, strict]): Tool => ({ type: 'function', name: tool, schema, ...description, ...strict }))
const customTool = fc
  .tuple(name, maybe('grammar', fc.record({ syntax: fc.constantFrom('lark' as const, 'regex' as const), definition: words })))
  .map(([tool, grammar]): Tool => ({ type: 'freeform', name: tool, ...grammar }))
const toolOf = (server: Server) => (server === 'vendor' ? fc.oneof(functionTool, customTool) : functionTool)

const number = fc.integer({ min: 1, max: 100 })

const vendorSampling = { temperature: number, topP: number, seed: number, logprobs: fc.boolean(), logitBias: fc.dictionary(name, number) }
const account = {
  user: words,
  service_tier: fc.constantFrom('flex', 'priority'),
  stored: fc.dictionary(name, words, { maxKeys: 3 }).map((metadata) => ({ metadata, store: true })),
  prompt_cache_key: words,
}
const accountOf = (server: Server): fc.Arbitrary<CompletionRequest['account']> =>
  server === 'compatible'
    ? fc.record({ user: account.user, service_tier: account.service_tier }, { requiredKeys: [] })
    : fc.record(account, { requiredKeys: [] }).map(({ stored, ...rest }) => ({ ...rest, ...stored }))

/** Requests that Chat Completions can say without a loss at servers of one kind. */
export function neutralRequestFor(server: Server): fc.Arbitrary<CompletionRequest> {
  const cache = server === 'vendor' ? anyMark : noMark
  const turn = fc.oneof(userTurn(cache), systemTurn(cache), assistantTurn(server, cache), toolTurn)
  const sampling = server === 'vendor' ? vendorSampling : { ...vendorSampling, topK: number, minP: number, repetitionPenalty: number }
  return fc
    .record({
      system: fc.array(blockOf(cache), { maxLength: 2 }),
      first: userTurn(cache),
      turns: fc.array(turn, { maxLength: 5 }),
      last: userTurn(cache),
      tools: fc.array(toolOf(server), { maxLength: 3 }),
      stop: fc.array(words, { maxLength: 4 }),
      candidates: fc.integer({ min: 1, max: 4 }),
      sampling: fc.record(sampling, { requiredKeys: [] }),
      output: fc.oneof(
        fc.constant({ kind: 'text' as const }),
        fc.constant({ kind: 'json' as const }),
        fc
          .tuple(schema, name, maybe('strict', fc.boolean()))
          .map(([given, named, strict]) => ({ kind: 'schema' as const, schema: given, name: named, ...strict })),
      ),
      choice: fc.oneof(
        fc.constantFrom({}, { toolChoice: { mode: 'auto' as const } }, { toolChoice: { mode: 'tool' as const, name: 'n' } }),
        server === 'vendor' ? fc.constant({ toolChoice: { mode: 'auto' as const, allowed: ['a', 'b'] } }) : fc.constant({}),
      ),
      parallel: maybe('parallelToolCalls', fc.boolean()),
      limit: maybe('maxOutputTokens', number),
      reasoning: maybe('reasoning', fc.constantFrom({ effort: 'none' as const }, { effort: 'xhigh' as const })),
      account: accountOf(server),
    })
    .map(({ first, choice, parallel, limit, reasoning, turns, last, tools, ...rest }) => ({
      model: 'm/x',
      ...rest,
      tools,
      turns: [first, ...turns, last],
      // Without tools there is nothing to choose from.
      ...(tools.length === 0 ? {} : { ...choice, ...parallel }),
      ...limit,
      ...reasoning,
      outputModalities: ['text' as const],
      stream: false,
      state: {},
      unknown: [],
    }))
}

/** Requests that every server of Chat Completions takes as they are. */
export const neutralRequest: fc.Arbitrary<CompletionRequest> = neutralRequestFor('compatible')

const candidate = fc
  .tuple(
    fc.array(thought, { maxLength: 1 }),
    fc.array(
      words.map((value): Content => ({ type: 'text', text: value })),
      { maxLength: 1 },
    ),
    fc.array(fc.oneof(functionCall, customCall), { maxLength: 3 }),
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
