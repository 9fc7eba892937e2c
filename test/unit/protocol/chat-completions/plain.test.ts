/** The short ways of reading plain requests and answers say nothing that the long ways would not say. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isRecord } from '../../../../src/lib/json.ts'
import { chatNeeds } from '../../../../src/protocol/chat-completions/needs.ts'
import { readPlainRequest } from '../../../../src/protocol/chat-completions/plain-request.ts'
import { readPlainResult } from '../../../../src/protocol/chat-completions/plain-result.ts'
import { decodeAnyResult } from '../../../../src/protocol/chat-completions/result.ts'
import { chatRequestSchema } from '../../../../src/protocol/chat-completions/schema.ts'

const junk = fc.oneof(
  fc.constantFrom(null, undefined, '', [], {}, 0, -1, 1.5, 2 ** 53, Infinity, true, 'stop', [null], [{}], { url: 'x' }, { message: 'no' }),
  fc.jsonValue({ maxDepth: 2 }),
)
const text = fc.string({ maxLength: 8 })

type Path = readonly (string | number)[]
type Change = { readonly at: number; readonly key: string | undefined; readonly value: unknown }

function pathsIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))]
}

function withChange(value: unknown, [step, ...rest]: Path, make: (old: unknown) => unknown): unknown {
  if (step === undefined) return make(value)
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>
  copy[step] = withChange(copy[step], rest, make)
  return copy
}

/** Exchanges the value at some place, or gives an object at some place one more member. */
function changed(value: unknown, { at, key, value: fresh }: Change): unknown {
  const paths = pathsIn(value).slice(1)
  const path = paths[at % paths.length] ?? []
  return withChange(value, path, (old) => (isRecord(old) && key !== undefined ? { ...old, [key]: fresh } : fresh))
}

/** A sound body with up to two things wrong, odd or new somewhere in it. */
function nearly(sound: fc.Arbitrary<unknown>, keys: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  const change = fc.record({ at: fc.nat(), key: fc.option(fc.constantFrom(...keys), { nil: undefined }), value: junk })
  return fc
    .tuple(sound, fc.array(change, { maxLength: 2 }))
    .map(([body, changes]) => changes.reduce(changed, body) as Record<string, unknown>)
    .filter(isRecord)
}

const content = fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text }), { maxLength: 2 }))
const call = fc.record({ id: text, type: fc.constant('function'), function: fc.record({ name: text, arguments: text }) })
const message = fc.oneof(
  fc.record({ role: fc.constantFrom('user', 'system', 'developer'), content, name: text }, { requiredKeys: ['role', 'content'] }),
  fc.record(
    { role: fc.constant('assistant'), content: fc.option(text), tool_calls: fc.array(call, { maxLength: 2 }) },
    { requiredKeys: ['role'] },
  ),
  fc.record({ role: fc.constant('tool'), content, tool_call_id: text }),
)
const requests = nearly(
  fc.record(
    {
      model: fc.string({ minLength: 1, maxLength: 20 }),
      messages: fc.array(message, { minLength: 1, maxLength: 3 }),
      stream: fc.constant(true),
      max_tokens: fc.integer({ min: 1 }),
      max_completion_tokens: fc.integer({ min: 1 }),
      temperature: fc.double({ noNaN: true, noDefaultInfinity: true }),
      seed: fc.integer(),
      stop: fc.oneof(text, fc.array(text)),
      tools: fc.array(fc.record({ type: fc.constant('function'), function: fc.record({ name: text }) }), { maxLength: 2 }),
      reasoning_effort: fc.constantFrom('low', 'none'),
      stream_options: fc.record({ include_usage: fc.boolean() }),
    },
    { requiredKeys: ['model', 'messages', 'stream'] },
  ),
  [...Object.keys(chatRequestSchema.shape), 'cache_control', 'custom', 'audio', 'name', 'content', 'user', 'constructor'],
)

it('takes a plain request only if the schema takes it, and reads the same needs off it', () => {
  let taken = 0
  fc.assert(
    fc.property(requests, (json) => {
      const plain = readPlainRequest(json)
      if (plain === undefined) return
      taken++
      const parsed = chatRequestSchema.parse(json)
      expect(chatNeeds(plain, 500)).toEqual(chatNeeds(parsed, 500))
      expect(plain.model).toEqual(parsed.model)
    }),
    { numRuns: 5_000 },
  )
  expect(taken).toBeGreaterThan(500)
})

const answers = nearly(
  fc.record(
    {
      id: text,
      object: fc.constant('chat.completion'),
      model: text,
      created: fc.integer(),
      choices: fc.tuple(
        fc.record(
          {
            index: fc.constant(0),
            finish_reason: fc.constantFrom('stop', 'length'),
            logprobs: fc.constant(null),
            message: fc.record(
              {
                role: fc.constant('assistant'),
                content: text,
                refusal: fc.constant(null),
                annotations: fc.constant([]),
                tool_calls: fc.constant(null),
              },
              { requiredKeys: ['content'] },
            ),
          },
          { requiredKeys: ['finish_reason', 'message'] },
        ),
      ),
      usage: fc.record({
        prompt_tokens: fc.nat(),
        completion_tokens: fc.nat(),
        prompt_tokens_details: fc.record({ cached_tokens: fc.nat() }),
      }),
    },
    { requiredKeys: ['choices'] },
  ),
  [
    'error',
    'citations',
    'x_groq',
    'delta',
    'usage',
    'logprobs',
    'native_finish_reason',
    'refusal',
    'reasoning',
    'reasoning_content',
  ].concat(['reasoning_details', 'tool_calls', 'function_call', 'audio', 'images', 'annotations', 'index', 'object', 'other']),
)

it('gives of a plain answer exactly what the decoder gives', () => {
  let taken = 0
  fc.assert(
    fc.property(answers, (body) => {
      const plain = readPlainResult(body)
      if (plain === undefined) return
      taken++
      expect(plain).toEqual(decodeAnyResult(body))
    }),
    { numRuns: 10_000 },
  )
  expect(taken).toBeGreaterThan(1_000)
})

it('takes the usual request and the usual answer the short way', () => {
  const json = {
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 5,
    messages: [{ role: 'user', content: 'hi' }],
  }
  expect(readPlainRequest(json)).toBe(json)
  const message = { role: 'assistant', content: 'hello', refusal: null, annotations: [] }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
  const body = { id: 'r', object: 'chat.completion', created: 1, model: 'm', choices, usage: { prompt_tokens: 1, completion_tokens: 2 } }
  expect(readPlainResult(body)?.usage).toMatchObject({ inputTokens: 1, outputTokens: 2 })
})
