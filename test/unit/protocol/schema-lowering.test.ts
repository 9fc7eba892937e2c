/** What a caller's schema accepts stays sayable in every dialect, and whatever a dialect cannot promise is told. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { isRecord, parseJson } from '../../../src/lib/json.ts'
import type { JsonSchema } from '../../../src/completion/request.ts'
import { hasNoParameters, lowerSchema, type LoweredSchema, type SchemaDialect } from '../../../src/protocol/schema-lowering.ts'
import { judgeValue } from '../../../src/protocol/schema-validation.ts'

const dialects = [
  'openai-strict',
  'openai',
  'anthropic-strict',
  'anthropic',
  'google',
  'google-json',
] as const satisfies readonly SchemaDialect[]
const rewriting = ['openai-strict', 'anthropic-strict', 'google', 'google-json'] as const

function brief({ losses }: LoweredSchema): string[] {
  return losses.map(({ action, feature, path }) => `${action} ${feature} ${path}`)
}

function isRefused({ losses }: LoweredSchema): boolean {
  return losses.some(({ action }) => action === 'refused')
}

/** A schema and one value that fits it. */
type Pair = { readonly schema: Record<string, unknown>; readonly value: unknown }

const names = ['a', 'b', '__proto__', 'c d']
const leaf: fc.Arbitrary<Pair> = fc.oneof(
  fc.record({ schema: fc.constant({ type: 'string', minLength: 1, description: 'text' }), value: fc.constantFrom('x', 'yy') }),
  fc.record({
    schema: fc.constantFrom({ type: 'integer', exclusiveMinimum: 0 }, { type: 'number', multipleOf: 1 }),
    value: fc.constantFrom(1, 2),
  }),
  fc.record({
    schema: fc.constantFrom({ type: ['string', 'null'] }, { type: ['boolean', 'null', 'string'], default: null }),
    value: fc.constantFrom('x', null),
  }),
  fc.record({
    schema: fc.constantFrom({ enum: ['x', 'y', null] }, { enum: ['x', 1, null] }, { type: ['string', 'null'], enum: ['x', null] }),
    value: fc.constantFrom('x', null),
  }),
  fc.record({ schema: fc.constantFrom({ const: true }, { type: 'boolean', enum: [true] }), value: fc.constant(true) }),
  fc.record({
    schema: fc.constantFrom({ $ref: '#/$defs/tag' }, { $ref: '#/$defs/tag', description: 'a tag' }),
    value: fc.constantFrom('t', 'u'),
  }),
  fc.record({ schema: fc.constant({ type: 'string', format: 'date-time', pattern: '^2' }), value: fc.constant('2026-01-01T00:00:00Z') }),
)
const { pair } = fc.letrec<{ pair: Pair }>((tie) => ({
  pair: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.array(tie('pair'), { minLength: 1, maxLength: 2 }).map((pairs): Pair => ({
      schema: { type: 'array', items: pairs.length === 1 ? pairs[0]?.schema : { anyOf: pairs.map(({ schema }) => schema) }, minItems: 1 },
      value: pairs.map(({ value }) => value),
    })),
    fc.array(tie('pair'), { minLength: 1, maxLength: 3 }).chain((pairs) =>
      fc.record({ at: fc.nat({ max: pairs.length - 1 }), beside: fc.boolean() }).map(({ at, beside }): Pair => ({
        schema: { anyOf: pairs.map(({ schema }) => schema), ...(beside ? { description: 'one of' } : {}) },
        value: pairs[at]?.value,
      })),
    ),
    fc
      .tuple(fc.array(tie('pair'), { minLength: 1, maxLength: 3 }), fc.nat({ max: 3 }), fc.boolean(), fc.boolean())
      .map(([pairs, required, isClosed, isSplit]): Pair => {
        const members = pairs.map(({ schema }, at) => [names[at] ?? 'z', schema] as const)
        const schema = {
          type: 'object',
          properties: Object.fromEntries(isSplit ? members.slice(0, 1) : members),
          required: names.slice(0, Math.min(required, isSplit ? 1 : pairs.length)),
          ...(isClosed && !isSplit ? { additionalProperties: false } : {}),
        }
        const more = { type: 'object', properties: Object.fromEntries(members.slice(1)) }
        return {
          schema: isSplit ? { allOf: [schema, more], description: 'split' } : schema,
          value: Object.fromEntries(pairs.map(({ value }, at) => [names[at] ?? 'z', value])),
        }
      }),
  ),
}))
const documents = pair.map(({ schema, value }): Pair => ({
  schema: { ...schema, $defs: { tag: { type: 'string', enum: ['t', 'u'], description: 'tag' } } },
  value,
}))

/** Google's `nullable` in the words of JSON Schema, so that a validator understands it. */
function asJsonSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(asJsonSchema)
  if (!isRecord(schema)) return schema
  const { nullable, ...rest } = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, asJsonSchema(value)]))
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest
}

describe.each(dialects)('lowerSchema for %s', (dialect) => {
  it.each(['output', 'tool'] as const)('changes nothing when it is applied again, for an %s', (purpose) => {
    fc.assert(
      fc.property(documents, ({ schema }) => {
        const once = lowerSchema(schema, dialect, { purpose })
        fc.pre(!isRefused(once))
        const twice = lowerSchema(once.schema, dialect, { purpose })
        expect(twice.schema).toEqual(once.schema)
        expect(twice.losses).toEqual([])
        expect(twice.wrapped).toBe(false)
      }),
    )
  })

  it('leaves a value sayable that the caller’s schema accepts', () => {
    fc.assert(
      fc.property(documents, ({ schema, value }) => {
        fc.pre(judgeValue(schema, value).outcome === 'satisfied')
        const lowered = lowerSchema(schema, dialect)
        fc.pre(!isRefused(lowered))
        const sayable = lowered.wrapped ? { value } : value
        expect({ lowered: lowered.schema, ...judgeValue(asJsonSchema(lowered.schema) as JsonSchema, sayable) }).toMatchObject({
          outcome: 'satisfied',
        })
      }),
      { numRuns: 100 },
    )
  })

  it('accepts nothing new unless it says so', () => {
    const probes = fc.oneof(
      fc.constantFrom('', 'x', 0, 1.5, null, true, [], {}, ['x'], { a: 'x' }, { a: null }, { a: 1, b: 'x' }),
      fc.jsonValue({ maxDepth: 2 }),
    )
    fc.assert(
      fc.property(documents, probes, fc.boolean(), ({ schema, value }, other, isOwn) => {
        const probe = isOwn ? value : other
        const lowered = lowerSchema(schema, dialect)
        fc.pre(!isRefused(lowered) && !lowered.weakened)
        const sayable = lowered.wrapped ? { value: probe } : probe
        const verdicts = [judgeValue(asJsonSchema(lowered.schema) as JsonSchema, sayable), judgeValue(schema, probe)]
        // A judgement has only so long, on a busy machine as on an idle one.
        fc.pre(verdicts.every(({ outcome }) => outcome !== 'unjudged'))
        const [isTaken, isTakenByCaller] = verdicts.map(({ outcome }) => outcome === 'satisfied')
        const isTakenByBoth = isTaken && isTakenByCaller
        expect({ lowered: lowered.schema, isTaken }).toEqual({ lowered: lowered.schema, isTaken: isTakenByBoth })
      }),
      { numRuns: 100 },
    )
  })

  it('never throws, whatever the schema, and reports under the path it was given', () => {
    fc.assert(
      fc.property(
        fc.object({
          key: fc.constantFrom('type', 'properties', 'anyOf', 'allOf', 'oneOf', '$ref', 'items', 'enum', 'const', 'required', 'not', 'a'),
          values: [fc.constantFrom('object', 'string', '#', '#/a', 'array'), fc.boolean(), fc.constant(null), fc.nat()],
        }),
        fc.constantFrom('output', 'tool'),
        (schema, purpose) => {
          const { losses } = lowerSchema(schema, dialect, { purpose, path: 'tools[0]' })
          expect(losses.filter(({ path }) => !path.startsWith('tools[0]'))).toEqual([])
        },
      ),
    )
  })
})

function tagged(tag: string): Record<string, unknown> {
  return { type: 'object', properties: { kind: { const: tag } }, required: ['kind'] }
}

describe('lowerSchema', () => {
  it('passes a schema through untouched where anything goes', () => {
    const schema = { $schema: 'x', type: 'array', items: { oneOf: [true] }, 'x-own': 1 }
    for (const dialect of ['openai', 'anthropic'] as const) expect(lowerSchema(schema, dialect).schema).toBe(schema)
  })

  it('requires every property for OpenAI, an optional one as null', () => {
    const lowered = lowerSchema(
      {
        type: 'object',
        properties: { a: { type: 'string' }, b: { enum: ['x'], description: 'B' }, c: { type: ['number', 'null'] } },
        required: ['a'],
        additionalProperties: false,
      },
      'openai-strict',
    )
    expect(lowered.schema).toEqual({
      type: 'object',
      properties: {
        a: { type: 'string' },
        b: { description: 'B', anyOf: [{ type: 'string', enum: ['x'] }, { type: 'null' }] },
        c: { type: ['number', 'null'] },
      },
      required: ['a', 'b', 'c'],
      additionalProperties: false,
    })
    expect(brief(lowered)).toEqual(['approximated schema.optional properties.b', 'approximated schema.optional properties.c'])
    expect(lowered.weakened).toBe(true)
  })

  it('tells constraints in the description where the wire has no word for them', () => {
    const lowered = lowerSchema(
      {
        type: 'object',
        properties: { n: { type: 'array', items: { type: 'string' }, minItems: 2, uniqueItems: true, description: 'N' } },
        required: ['n'],
      },
      'anthropic-strict',
      { path: 'output_config.format.schema' },
    )
    expect(lowered.schema['properties']).toEqual({
      n: { type: 'array', items: { type: 'string' }, description: 'N\nConstraints: minItems 2; uniqueItems true.' },
    })
    expect(brief(lowered)).toEqual([
      'approximated schema.keyword output_config.format.schema.properties.n.minItems',
      'approximated schema.keyword output_config.format.schema.properties.n.uniqueItems',
    ])
    expect(
      lowerSchema({ type: 'object', properties: { n: { type: 'array', items: { type: 'string' }, minItems: 1 } } }, 'anthropic-strict')
        .losses,
    ).toEqual([])
  })

  it.each(['not', 'if', 'patternProperties', 'propertyNames'])(
    'refuses %s where OpenAI binds the grammar, and tells it elsewhere',
    (keyword) => {
      const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], [keyword]: { type: 'string' } }
      expect(brief(lowerSchema(schema, 'openai-strict'))).toEqual([`refused schema.keyword ${keyword}`])
      for (const dialect of ['anthropic-strict', 'google', 'google-json'] as const) {
        const lowered = lowerSchema(schema, dialect)
        expect(lowered.schema['description']).toBe(`Constraints: ${keyword} {"type":"string"}.`)
        expect(brief(lowered)).toEqual([`approximated schema.keyword ${keyword}`])
      }
    },
  )

  it('turns null into nullable for Google, in every spelling of it', () => {
    const forms = [
      { type: ['string', 'null'] },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
      { oneOf: [{ type: 'null' }, { type: 'string' }] },
    ]
    for (const form of forms) expect(lowerSchema(form, 'google')).toMatchObject({ schema: { type: 'string', nullable: true }, losses: [] })
    expect(lowerSchema({ enum: ['a', null] }, 'google')).toMatchObject({
      schema: { type: 'string', enum: ['a'], nullable: true },
      losses: [],
    })
    expect(lowerSchema({ type: ['string', 'integer', 'null'], description: 'D' }, 'google').schema).toEqual({
      anyOf: [
        { type: 'string', nullable: true, description: 'D' },
        { type: 'integer', nullable: true, description: 'D' },
      ],
    })
  })

  it('lists strings only for Google: a const is an enum of one, a number stays a number and is told', () => {
    expect(lowerSchema({ const: 'a' }, 'google')).toMatchObject({ schema: { type: 'string', enum: ['a'] }, losses: [], weakened: false })
    expect(lowerSchema({ enum: [1, 2] }, 'google')).toMatchObject({
      schema: { type: 'number', description: 'Constraints: enum [1,2].' },
      weakened: true,
    })
    expect(lowerSchema({ enum: [true, false] }, 'google')).toMatchObject({ schema: { type: 'boolean' }, losses: [] })
  })

  it('carries what stands beside a union into its members', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      anyOf: [{ required: ['a'] }, { required: ['b'] }, { type: 'string' }],
    }
    const member = (name: string) => ({ type: 'object', properties: schema.properties, required: [name] })
    expect(lowerSchema(schema, 'google').schema).toEqual({ anyOf: [member('a'), member('b')] })
  })

  it('sends oneOf as anyOf without a loss only where no value fits two members', () => {
    expect(lowerSchema({ oneOf: [tagged('a'), tagged('b')] }, 'google').losses).toEqual([])
    expect(lowerSchema({ oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] }, 'google').losses).toEqual([])
    expect(brief(lowerSchema({ oneOf: [{ type: 'number' }, { type: 'integer' }] }, 'google'))).toEqual(['approximated schema.oneOf oneOf'])
  })

  it('merges allOf exactly, or refuses', () => {
    const merged = lowerSchema(
      {
        allOf: [
          { type: 'number', minimum: 1 },
          { type: 'integer', minimum: 3, maximum: 9 },
        ],
      },
      'google',
    )
    expect(merged).toMatchObject({ schema: { type: 'integer', minimum: 3, maximum: 9 }, losses: [] })
    const unmergeable = {
      allOf: [
        { type: 'string', pattern: 'a' },
        { type: 'string', pattern: 'b' },
      ],
    }
    expect(brief(lowerSchema(unmergeable, 'google'))).toEqual(['refused schema.allOf allOf'])
    expect(brief(lowerSchema({ allOf: [{ type: 'string' }, { type: 'number' }] }, 'google'))).toEqual(['refused schema.allOf allOf'])
  })

  it('does not let a closed member of allOf take properties it did not list', () => {
    const closed = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false }
    const lowered = lowerSchema({ allOf: [closed, { type: 'object', properties: { b: { type: 'string' } } }] }, 'google-json')
    expect(lowered.schema).toEqual(closed)
    const needed = { allOf: [closed, { type: 'object', properties: { b: { type: 'string' } }, required: ['b'] }] }
    expect(isRefused(lowerSchema(needed, 'google-json'))).toBe(true)
  })
})

describe('references', () => {
  const node = { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, required: ['next'], additionalProperties: false }
  const list = { $ref: '#/$defs/node', $defs: { node, unused: { not: {} } } }

  it('are written out for Google, and recursion is refused there', () => {
    const flat = { type: 'array', items: { $ref: '#/definitions/x%20y' }, definitions: { 'x y': { type: 'string' } } }
    expect(lowerSchema(flat, 'google').schema).toEqual({ type: 'array', items: { type: 'string' } })
    expect(brief(lowerSchema(list, 'google'))[0]).toBe('refused schema.reference properties.next.$ref')
    expect(brief(lowerSchema({ $ref: '#' }, 'google'))).toEqual(['refused schema.reference $ref'])
  })

  it('stay elsewhere, recursion too, and definitions that nothing needs go', () => {
    for (const dialect of ['openai-strict', 'anthropic-strict', 'google-json'] as const) {
      expect(lowerSchema(list, dialect)).toMatchObject({ schema: { ...node, $defs: { node } }, losses: [] })
      expect(lowerSchema(list, dialect).schema['$defs']).toEqual({ node })
    }
  })

  it('keep what stands beside them by writing them out, and lose it with a report where they recurse', () => {
    const once = {
      type: 'object',
      properties: { t: { $ref: '#/$defs/t', description: 'mine' } },
      required: ['t'],
      $defs: { t: { type: 'string' } },
    }
    expect(lowerSchema(once, 'openai-strict')).toMatchObject({
      schema: { properties: { t: { type: 'string', description: 'mine' } } },
      losses: [],
    })
    const recursive = { type: 'object', properties: { up: { $ref: '#', description: 'mine' } }, required: ['up'] }
    expect(brief(lowerSchema(recursive, 'anthropic-strict'))).toEqual(['omitted schema.annotation properties.up.description'])
  })

  it.each(['https://example.com/schema.json', '#/nowhere', '#anchor', '#/$defs/%zz', '#/__proto__'])(
    'to %s are refused, and nothing is fetched',
    ($ref) => {
      for (const dialect of rewriting)
        expect(brief(lowerSchema({ type: 'array', items: { $ref } }, dialect))).toContain('refused schema.reference items.$ref')
    },
  )

  it('that double at every level are refused by size, quickly', () => {
    const levels = Array.from(
      { length: 40 },
      (_, at) =>
        [`l${at}`, { type: 'object', properties: { a: { $ref: `#/$defs/l${at + 1}` }, b: { $ref: `#/$defs/l${at + 1}` } } }] as const,
    )
    const bomb = { $ref: '#/$defs/l0', $defs: { ...Object.fromEntries(levels), l40: { type: 'string' } } }
    expect(brief(lowerSchema(bomb, 'google')).filter((loss) => loss.includes('schema.size'))).toHaveLength(1)
    const merging = Array.from(
      { length: 40 },
      (_, at) => [`l${at}`, { allOf: [{ $ref: `#/$defs/l${at + 1}` }, { $ref: `#/$defs/l${at + 1}` }] }] as const,
    )
    const heap = { $ref: '#/$defs/l0', $defs: { ...Object.fromEntries(merging), l40: { type: 'string' } } }
    expect(isRefused(lowerSchema(heap, 'openai-strict'))).toBe(true)
  })
})

describe('roots', () => {
  it('report losses where the caller wrote them, not inside the wrapper', () => {
    const tuple = { type: 'array', items: { type: 'string', minLength: 2 } }
    expect(brief(lowerSchema(tuple, 'openai-strict', { path: 'p' }))).toEqual(['approximated schema.keyword p.items.minLength'])
    expect(brief(lowerSchema({ type: 'string', minLength: 2 }, 'openai-strict'))).toEqual(['approximated schema.keyword minLength'])
    expect(brief(lowerSchema({}, 'openai-strict', { path: 'p' }))).toEqual(['refused schema.any p'])
  })

  it('that are no objects are wrapped for outputs where the wire wants an object', () => {
    const lowered = lowerSchema({ $schema: 's', type: 'array', items: { type: 'string' } }, 'openai-strict')
    expect(lowered).toMatchObject({ wrapped: true, weakened: false, losses: [] })
    expect(lowered.schema).toEqual({
      type: 'object',
      properties: { value: { type: 'array', items: { type: 'string' } } },
      required: ['value'],
      additionalProperties: false,
    })
    expect(lowerSchema({ type: 'array', items: { type: 'string' } }, 'google').wrapped).toBe(false)
  })

  it('that refer to themselves are found again inside the wrapper', () => {
    const tree = { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#' } }], $defs: { root: { type: 'string' } } }
    const lowered = lowerSchema(tree, 'openai-strict')
    expect(lowered.schema['$defs']).toEqual({ root_: { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/$defs/root_' } }] } })
    expect(judgeValue(lowered.schema, { value: ['a', ['b']] }).outcome).toBe('satisfied')
    expect(judgeValue(lowered.schema, { value: [1] }).outcome).toBe('violated')
  })

  it.each(dialects)('of tools are objects for %s, or refused', (dialect) => {
    const tool = (schema: JsonSchema) => lowerSchema(schema, dialect, { purpose: 'tool', path: 'p' })
    expect(brief(tool({ type: 'string' }))).toEqual(['refused schema.root p.type'])
    expect(tool(true)).toMatchObject({ schema: { type: 'object' }, losses: [], wrapped: false })
    expect(tool({ $ref: '#/$defs/a', $defs: { a: { type: 'object', properties: {} } } }).schema['type']).toBe('object')
  })

  it.each(dialects)('of tools that are unions become one object for %s, and the union is told', (dialect) => {
    const schema = {
      oneOf: [
        { type: 'object', properties: { a: { type: 'string' }, c: { type: 'string' } }, required: ['a', 'c'] },
        { type: 'object', properties: { b: { type: 'number' }, c: { type: 'string' } }, required: ['b', 'c'] },
      ],
    }
    const lowered = lowerSchema(schema, dialect, { purpose: 'tool' })
    const { type, properties, required, description } = lowered.schema
    expect(type).toBe('object')
    expect(Object.keys(properties as object).toSorted()).toEqual(['a', 'b', 'c'])
    expect(required).toEqual(dialect === 'openai-strict' ? ['a', 'c', 'b'] : ['c'])
    expect(description).toContain('Constraints: oneOf ')
    expect(lowered.weakened).toBe(true)
    expect(brief(lowered)[0]).toBe('approximated schema.keyword oneOf')
  })

  it('are without parameters when they name none', () => {
    for (const schema of [true, {}, { type: 'object' }, { type: 'object', properties: {} }]) expect(hasNoParameters(schema)).toBe(true)
    const some: JsonSchema[] = [
      { type: 'object', properties: { a: {} } },
      { type: 'object', additionalProperties: { type: 'string' } },
      { type: 'string' },
    ]
    for (const schema of some) expect(hasNoParameters(schema)).toBe(false)
  })

  it('with a property named __proto__ keep it as an ordinary property', () => {
    const schema = parseJson(
      '{"type":"object","properties":{"__proto__":{"type":"string","minLength":1}},"required":["__proto__"]}',
    ) as JsonSchema
    const { schema: lowered } = lowerSchema(schema, 'anthropic-strict')
    expect(Object.keys(lowered['properties'] as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['minLength']).toBeUndefined()
  })
})

describe('what grammar-bound dialects cannot promise', () => {
  it.each(['openai-strict', 'anthropic-strict'] as const)('is refused by %s, for a freer dialect to be tried', (dialect) => {
    const of = (property: unknown) => brief(lowerSchema({ type: 'object', properties: { p: property }, required: ['p'] }, dialect))
    expect(of({})).toEqual(['refused schema.any properties.p'])
    expect(of({ type: 'object' })).toEqual(['refused schema.additionalProperties properties.p.additionalProperties'])
    expect(of({ type: 'object', additionalProperties: { type: 'string' } })).toEqual([
      'refused schema.additionalProperties properties.p.additionalProperties',
    ])
    expect(of({ type: 'array' })).toEqual(['refused schema.any properties.p.items'])
    expect(of(false)).toEqual(['refused schema.never properties.p'])
  })
})
