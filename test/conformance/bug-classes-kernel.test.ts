/** Mistakes seen in other gateways that the shared kernel of the protocols decides; one block for each class. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import type { CompletionPart, SignatureCarrier } from '../../src/completion/part.ts'
import type { Turn } from '../../src/completion/request.ts'
import { isEnvelope, mayReplay, replayReasoning, unwrapCarrier, wrapCarrier } from '../../src/protocol/carrier.ts'
import { restoreParts, type Restore, type RestoreNote } from '../../src/protocol/restore.ts'
import { hasNoParameters, lowerSchema } from '../../src/protocol/schema-lowering.ts'
import { wireToolId } from '../../src/protocol/tool-ids.ts'
import { collectParts, oneByOne } from '../support/parts.ts'

async function restored(
  list: readonly CompletionPart[],
  restore: Restore,
  onNote?: (note: RestoreNote) => void,
): Promise<CompletionPart[]> {
  return collectParts(restoreParts(oneByOne(list), restore, onNote === undefined ? {} : { onNote }))
}

const start: CompletionPart = { type: 'start', id: 'r', model: 'm' }
const finish: CompletionPart = { type: 'finish', finishes: [{ candidate: 0, reason: 'tool_calls' }], usage: undefined }

function call(block: number, name: string, pieces: readonly string[]): CompletionPart[] {
  return [
    { type: 'tool-input-start', block, candidate: 0, id: `c${block}`, name, freeform: false },
    ...pieces.map((text): CompletionPart => ({ type: 'tool-input-delta', block, text })),
    { type: 'tool-input-end', block },
  ]
}

const everything: Restore = {
  toolNames: new Map([['fs_read', 'fs.read']]),
  freeformTools: new Set(['apply_patch']),
  stop: ['STOP'],
  dropParallel: true,
  issuer: { provider: 'acme' },
}

describe('class 5: tools without arguments', () => {
  it('a call without one delta stays a call', async () => {
    const list = [start, ...call(0, 'now', []), finish]
    expect(await restored(list, everything)).toEqual(list)
  })

  it('a free-form call without text is no broken wrapper', async () => {
    const notes: RestoreNote[] = []
    const parts = await restored([start, ...call(0, 'apply_patch', ['']), finish], everything, (note) => void notes.push(note))
    expect(parts.some(({ type }) => type === 'tool-input-delta')).toBe(false)
    expect(notes).toEqual([])
  })

  it.each([{}, true, { type: 'object' }, { type: 'object', properties: {} }])('the schema %j is taken by every dialect', (schema) => {
    for (const dialect of ['openai-strict', 'openai', 'anthropic-strict', 'anthropic', 'google', 'google-json'] as const) {
      const lowered = lowerSchema(schema, dialect, { purpose: 'tool' })
      expect(lowered.losses).toEqual([])
      expect(lowered.schema['type']).toBe('object')
      expect(hasNoParameters(lowered.schema)).toBe(true)
    }
  })
})

describe('class 6: arguments cut short or broken', () => {
  it.each(['{"path": "/etc/ho', '{"a":1,}', "{'a':1}", '{"a":"\\u12'])('%s goes on as it was written', async (text) => {
    const parts = await restored([start, ...call(0, 'fs_read', [text.slice(0, 3), text.slice(3)]), finish], everything)
    expect(parts.map((part) => (part.type === 'tool-input-delta' ? part.text : '')).join('')).toBe(text)
  })

  it('a free-form call that is cut is delivered as far as it came, and reported', async () => {
    const notes: RestoreNote[] = []
    const parts = await restored(
      [start, ...call(0, 'apply_patch', ['{"input":"*** Be']), finish],
      everything,
      (note) => void notes.push(note),
    )
    expect(parts.map((part) => (part.type === 'tool-input-delta' ? part.text : '')).join('')).toBe('*** Be')
    expect(notes).toEqual([{ kind: 'wrapper_broken', block: 0 }])
  })
})

describe('class 9: signatures of others', () => {
  const openAi: SignatureCarrier = {
    wire: 'responses',
    provider: 'openai',
    kind: 'encrypted_content',
    value: 'gAAAAABopaque',
    itemId: 'rs_1',
  }

  it('an encrypted thought of one provider never goes to another as a signature', () => {
    expect(mayReplay(openAi, { wire: 'messages', provider: 'anthropic' })).toBe(false)
    expect(mayReplay(openAi, { wire: 'responses', provider: 'azure' })).toBe(false)
    expect(mayReplay(openAi, { wire: 'responses', provider: 'openai' })).toBe(true)
  })

  it('comes back through a caller of another protocol with its item id', () => {
    const slot = wrapCarrier(openAi)
    expect(slot).not.toBe('')
    expect(unwrapCarrier(slot)).toEqual(openAi)
  })

  it('an altered envelope is neither read nor taken for a provider’s own signature', () => {
    const altered = `${wrapCarrier(openAi).slice(0, -2)}AA`
    expect(unwrapCarrier(altered)).toBeUndefined()
    expect(isEnvelope(altered)).toBe(true)
  })
})

const thought = (provider: string): Turn['parts'][number] => ({
  type: 'reasoning',
  form: 'full',
  text: ['hm'],
  carriers: [{ wire: 'messages', provider, kind: 'signature', value: provider }],
})

const texts = (list: readonly Turn[]) => list.flatMap(({ parts }) => parts.filter(({ type }) => type === 'text'))

describe('class 10: signatures bind what stands before them', () => {
  const history: readonly Turn[] = [
    { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
    { role: 'assistant', parts: [thought('acme'), { type: 'text', text: 'one' }] },
    { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
    { role: 'assistant', parts: [thought('other')] },
    { role: 'user', parts: [{ type: 'text', text: 'go on' }] },
    { role: 'assistant', parts: [thought('acme'), { type: 'text', text: 'two' }] },
  ]

  it('one foreign thought in the middle takes all thoughts with it, each reported', () => {
    const { turns, losses } = replayReasoning(history, { wire: 'messages', provider: 'acme' })
    expect(turns.flatMap(({ parts }) => parts).filter(({ type }) => type === 'reasoning')).toEqual([])
    expect(losses).toHaveLength(3)
    expect(losses.every(({ feature, action }) => feature === 'reasoning.replay' && action === 'omitted')).toBe(true)
  })

  it('an emptied turn keeps its place, so that a system turn still stands before an assistant’s', () => {
    const { turns } = replayReasoning(history, { wire: 'messages', provider: 'acme' })
    expect(turns.map(({ role }) => role)).toEqual(history.map(({ role }) => role))
    expect(turns[3]?.parts).toEqual([])
  })

  it('nothing else is touched', () => {
    const { turns } = replayReasoning(history, { wire: 'messages', provider: 'acme' })
    expect(texts(turns)).toEqual(texts(history))
  })
})

const text = (block: number, words: string): CompletionPart[] => [
  { type: 'text-start', block, candidate: 0 },
  { type: 'text-delta', block, text: words },
  { type: 'text-end', block },
]

describe('class 18: the bounds and the order of blocks', () => {
  it('text, call and text stay three blocks in their order', async () => {
    const list = [start, ...text(0, 'first'), ...call(1, 'read', ['{}']), ...text(2, 'last'), finish]
    expect(await restored(list, everything)).toEqual(list)
  })
})

/** Every keyword of a schema and of those within it; names of properties are not keywords. */
function keywordsOf(schema: unknown, found = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found
  for (const [keyword, value] of Object.entries(schema)) {
    found.add(keyword)
    if (keyword === 'properties') for (const property of Object.values(value as object)) keywordsOf(property, found)
    if (keyword === 'items' || keyword === 'anyOf') for (const member of [value].flat()) keywordsOf(member, found)
  }
  return found
}

describe('class 21: schema keywords Google does not know', () => {
  const claudeCode = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      path: { type: 'string', minLength: 1, pattern: '^/' },
      limit: { type: 'integer', exclusiveMinimum: 0, default: 5 },
      mode: { const: 'fast' },
      kind: { type: ['string', 'null'] },
      extra: { allOf: [{ type: 'object', properties: { a: { type: 'string' } } }, { required: ['a'] }], propertyNames: { pattern: '^a$' } },
    },
    required: ['path'],
    additionalProperties: false,
  }

  it('none of them is left anywhere in the lowered schema', () => {
    const { schema, losses } = lowerSchema(claudeCode, 'google', { purpose: 'tool', path: 'tools[0].input_schema' })
    expect(losses.some(({ action }) => action === 'refused')).toBe(false)
    expect([...keywordsOf(schema)].toSorted()).toEqual(
      ['default', 'description', 'enum', 'minLength', 'nullable', 'pattern', 'properties', 'required', 'type'].toSorted(),
    )
  })

  it('each that asks something is told to the model and reported under the caller’s path', () => {
    const { schema, losses } = lowerSchema(claudeCode, 'google', { purpose: 'tool', path: 'tools[0].input_schema' })
    expect(losses.map(({ path }) => path)).toEqual([
      'tools[0].input_schema.properties.limit.exclusiveMinimum',
      'tools[0].input_schema.properties.extra.propertyNames',
      'tools[0].input_schema.additionalProperties',
    ])
    expect(schema['properties']).toMatchObject({
      limit: { description: 'Constraints: exclusiveMinimum 0.' },
      mode: { type: 'string', enum: ['fast'] },
      kind: { type: 'string', nullable: true },
      extra: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
    })
  })

  it('the JSON Schema form takes the same tool almost as it is', () => {
    const lowered = lowerSchema(claudeCode, 'google-json', { purpose: 'tool' })
    expect(lowered.losses.map(({ path }) => path)).toEqual(['properties.extra.propertyNames'])
  })
})

describe('class 22: ids that a wire does not take', () => {
  it.each(['functions.bash:0', 'call|1', `call_${'0'.repeat(450)}`, 'ütf', ''])('%s maps the same in a call and in its result', (id) => {
    for (const rule of ['openai', 'anthropic'] as const) {
      expect(wireToolId(id, rule)).toMatch(/^[A-Za-z0-9_-]+$/)
      expect(wireToolId(id, rule)).toBe(wireToolId(id, rule))
    }
    expect(wireToolId(id, 'openai').length).toBeLessThanOrEqual(64)
  })
})

describe('class 33: stop sequences the upstream cannot take', () => {
  it('the one that matched is told, wherever the text was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 12 }), async (at) => {
        const text = 'done END more'
        const list: CompletionPart[] = [
          start,
          { type: 'text-start', block: 0, candidate: 0 },
          { type: 'text-delta', block: 0, text: text.slice(0, at) },
          { type: 'text-delta', block: 0, text: text.slice(at) },
          { type: 'text-end', block: 0 },
          { type: 'finish', finishes: [{ candidate: 0, reason: 'stop' }], usage: undefined },
        ]
        const parts = await restored(list, { stop: ['five', 'of', 'them', 'or', 'END'] })
        expect(parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')).toBe('done ')
        expect(parts.at(-1)).toMatchObject({ finishes: [{ candidate: 0, reason: 'stop_sequence', stopSequence: 'END' }] })
      }),
    )
  })
})
