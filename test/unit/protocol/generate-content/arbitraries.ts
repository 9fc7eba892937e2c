/** Random neutral requests and answers, within what generateContent can carry exactly. */
import fc from 'fast-check'
import type { Finish, SignatureCarrier } from '../../../../src/completion/part.ts'
import type { CompletionRequest, Content, Tool, ToolCallContent, Turn } from '../../../../src/completion/request.ts'
import type { Candidate, CompletionResult } from '../../../../src/completion/result.ts'
import { readToolArguments } from '../../../../src/completion/tool-arguments.ts'
import { jsonValue } from '../../../support/arbitraries.ts'

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const name = fc.stringMatching(/^[a-z_]{1,12}$/)
const json = fc.dictionary(name, jsonValue, { maxKeys: 3 })
const base64 = fc.base64String({ minLength: 4, maxLength: 24 })
const signature = base64.map((value): readonly SignatureCarrier[] => [
  { wire: 'generate_content', kind: 'thought_signature', value: `QUJD${value}` },
])
const maybe = <Key extends string, T>(key: Key, value: fc.Arbitrary<T>): fc.Arbitrary<{ [K in Key]?: T }> =>
  fc.oneof(
    fc.constant({}),
    value.map((one) => ({ [key]: one }) as { [K in Key]?: T }),
  )

const text = fc.tuple(words, maybe('carriers', signature)).map(([said, signed]): Content => ({ type: 'text', text: said, ...signed }))
const thought = fc
  .tuple(words, signature)
  .map(([said, carriers]): Content => ({ type: 'reasoning', form: 'summary', text: [said], carriers }))
const media = fc.oneof(
  base64.map((data): Content => ({ type: 'image', source: { kind: 'inline', mimeType: 'image/png', base64: data } })),
  base64.map((data): Content => ({ type: 'audio', source: { kind: 'inline', mimeType: 'audio/wav', base64: data } })),
  base64.map((data): Content => ({ type: 'video', source: { kind: 'inline', mimeType: 'video/mp4', base64: data } })),
  base64.map((data): Content => ({ type: 'file', source: { kind: 'inline', mimeType: 'application/pdf', base64: data } })),
)

function call(at: number): fc.Arbitrary<ToolCallContent> {
  return fc.tuple(name, json, signature).map(([tool, given, carriers]) => {
    return { type: 'tool-call', id: `call_${at}`, name: tool, arguments: readToolArguments(JSON.stringify(given)), carriers }
  })
}

const answer = fc.oneof(
  words.map((said) => ({ isError: false, content: [{ type: 'text' as const, text: said }] })),
  words.map((said) => ({ isError: true, content: [{ type: 'text' as const, text: said }] })),
  json
    .filter((value) => !('output' in value || 'error' in value))
    .map((value) => ({ isError: false, content: { kind: 'json' as const, value } })),
)

/** A user turn, and, when the assistant calls, its results: roles alternate, because this wire merges those that do not. */
function round(at: number): fc.Arbitrary<readonly Turn[]> {
  const said = fc.array(fc.oneof(text, media), { minLength: 1, maxLength: 3 }).map((parts): Turn => ({ role: 'user', parts }))
  const reply = fc.tuple(
    fc.array(thought, { maxLength: 1 }),
    fc.array(text, { maxLength: 2 }),
    fc.option(call(at), { nil: undefined }),
    answer,
  )
  return fc.tuple(said, reply, words).map(([user, [thoughts, texts, called, result], closing]) => {
    const parts = [...thoughts, ...texts, ...(called === undefined ? [] : [called])]
    const assistant: Turn = { role: 'assistant', parts: parts.length === 0 ? [{ type: 'text', text: closing }] : parts }
    if (called === undefined) return [user, assistant]
    const results: Turn = { role: 'tool', parts: [{ type: 'tool-result', callId: called.id, name: called.name, ...result }] }
    return [user, assistant, results, { role: 'assistant', parts: [{ type: 'text', text: closing }] }]
  })
}

const schema = fc
  .dictionary(name, fc.constantFrom({ type: 'string' }, { type: 'integer' }), { minKeys: 1, maxKeys: 3 })
  .map((properties) => ({ type: 'object', properties }))
const tools = fc.uniqueArray(
  fc
    .tuple(name, schema, maybe('description', words))
    .map(([tool, wanted, described]): Tool => ({ type: 'function', name: tool, schema: wanted, ...described })),
  { maxLength: 3, selector: (tool) => (tool.type === 'function' ? tool.name : '') },
)
const number = fc.integer({ min: 1, max: 100 })

/** Requests that a model of the third generation takes exactly, its thinking apart, which is said as a level. */
export const neutralRequest: fc.Arbitrary<CompletionRequest> = fc
  .record({
    system: fc.array(
      words.map((said) => ({ text: said, role: 'system' as const })),
      { maxLength: 2 },
    ),
    rounds: fc.tuple(round(0), round(1), round(2)),
    length: fc.integer({ min: 1, max: 3 }),
    tools,
    stop: fc.array(words, { maxLength: 5 }),
    candidates: fc.integer({ min: 1, max: 4 }),
    sampling: fc.record(
      { temperature: number, topP: number, topK: number, seed: number, presencePenalty: number, frequencyPenalty: number },
      { requiredKeys: [] },
    ),
    output: fc.oneof(
      fc.constant({ kind: 'text' as const }),
      fc.constant({ kind: 'json' as const }),
      fc.constant({ kind: 'enum' as const, values: ['a', 'b'] }),
      schema.map((wanted) => ({ kind: 'schema' as const, schema: wanted })),
    ),
    limit: maybe('maxOutputTokens', number),
    reasoning: maybe(
      'reasoning',
      fc.constantFrom({ effort: 'low' as const, display: 'summarized' as const }, { effort: 'high' as const, display: 'omitted' as const }),
    ),
    modalities: fc.constantFrom(['text' as const], ['text' as const, 'image' as const]),
    account: fc.record({ service_tier: fc.constantFrom('flex', 'priority') }, { requiredKeys: [] }),
    state: fc.record({ cachedContent: name }, { requiredKeys: [] }),
    stream: fc.boolean(),
  })
  .map(({ rounds, length, limit, reasoning, modalities, state, ...rest }) => ({
    model: 'gemini-3-river',
    ...rest,
    turns: rounds.slice(0, length).flat(),
    ...limit,
    ...reasoning,
    outputModalities: modalities,
    state: state as Readonly<Record<string, string>>,
    unknown: [],
  }))

const spoken = fc
  .tuple(fc.array(thought, { maxLength: 1 }), fc.array(text, { maxLength: 3 }), fc.array(call(0), { maxLength: 3 }))
  .map(([thoughts, texts, calls]) => ({
    content: [...thoughts, ...texts, ...calls.map((one, at) => ({ ...one, id: `c${at}` }))],
    hasCalls: calls.length > 0,
  }))
  .filter(({ content }) => content.length > 0)

/** Whole answers that generateContent can say without a loss. */
export const neutralResult: fc.Arbitrary<CompletionResult> = fc
  .record({
    id: words,
    model: words,
    createdSeconds: fc.integer({ min: 1, max: 2_000_000_000 }),
    candidates: fc.array(spoken, { minLength: 1, maxLength: 3 }),
    inputTokens: fc.nat(1_000_000),
    answerTokens: fc.nat(1_000_000),
    reasoningTokens: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ inputTokens, answerTokens, reasoningTokens, candidates, ...rest }) => ({
    ...rest,
    candidates: candidates.map(({ content, hasCalls }, index): Candidate => {
      const finish: Finish = { candidate: index, reason: hasCalls ? 'tool_calls' : 'stop', raw: 'STOP' }
      return { index, content, extras: [], finish }
    }),
    usage: { inputTokens, outputTokens: answerTokens + reasoningTokens, reasoningTokens, origin: 'provider' as const },
  }))
