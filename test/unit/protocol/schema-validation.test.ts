/** Judging by a caller's schema is bounded in size, depth and time, and says nothing where it cannot tell. */
import { describe, expect, it } from 'vitest'
import type { JsonSchema } from '../../../src/completion/request.ts'
import { judgeText, judgeValue, MAX_SCHEMA_CHARACTERS, validateAgainst } from '../../../src/protocol/schema-validation.ts'

describe('validateAgainst', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer', minimum: 3 } }, required: ['a'], additionalProperties: false }

  it.each<[string, JsonSchema, unknown, RegExp | undefined]>([
    ['a value that fits', schema, { a: 3 }, undefined],
    ['a bound', schema, { a: 2 }, /^\/a must be >= 3/],
    ['a missing property', schema, {}, /must have required property 'a'/],
    ['a property of Object itself that is missing', { required: ['toString'] }, {}, /required property 'toString'/],
    ['an additional property', schema, { a: 3, b: 1 }, /additional properties/],
    ['a tuple of 2020-12', { prefixItems: [{ type: 'string' }], items: false }, ['a', 1], /must NOT have more than 1 items/],
    ['a schema of draft-07', { $schema: 'http://json-schema.org/draft-07/schema#', type: 'string' }, 1, /must be string/],
    ['a format, which is not asserted', { type: 'string', format: 'date' }, 'soon', undefined],
    ['an unknown keyword, which asks nothing', { type: 'string', 'x-own': 1 }, 'a', undefined],
    ['a recursive schema', { properties: { next: { $ref: '#' } }, required: ['v'] }, { v: 1, next: {} }, /^\/next must have/],
    ['the schema true', true, 1, undefined],
    ['the schema false', false, 1, /nothing fits/],
    ['a key of Ajv that would make the answer a promise', { $async: true, type: 'string' }, 1, /must be string/],
  ])('%s', (_, given, value, expected) => {
    expect(validateAgainst(given, value) ?? 'nothing').toMatch(expected ?? /^nothing$/)
  })

  it('never quotes the answer', () => {
    expect(validateAgainst({ properties: { a: { enum: ['x'] } } }, { a: 'a private thing' })).not.toContain('private')
  })
})

describe('judgeValue', () => {
  const deep = (levels: number): JsonSchema => (levels === 0 ? {} : { not: deep(levels - 1) })

  it.each<[string, JsonSchema, unknown]>([
    ['a reference out of the schema', { $ref: 'https://example.com/s' }, 1],
    ['a schema that is only itself', { $ref: '#' }, 1],
    ['a type that does not exist', { type: 'STRING' }, 'a'],
    ['a pattern that does not compile', { type: 'string', pattern: '([' }, 'a'],
    ['a schema beyond the size', { enum: ['x'.repeat(MAX_SCHEMA_CHARACTERS)] }, 'a'],
    ['a schema beyond the depth', deep(70), 'a'],
    ['a property the validator cannot see', { properties: Object.fromEntries([['__proto__', { type: 'string' }]]) }, {}],
  ])('says nothing of %s', (_, schema, value) => {
    expect(judgeValue(schema, value).outcome).toBe('unjudged')
    expect(validateAgainst(schema, value)).toBeUndefined()
  })

  it('gives up on a pattern that would take for ever, and judges on', () => {
    const slow = { type: 'string', pattern: '^(a+)+$' }
    expect(judgeValue(slow, `${'a'.repeat(60)}!`).outcome).toBe('unjudged')
    expect(judgeValue(slow, 'aaa').outcome).toBe('satisfied')
    expect(judgeValue({ type: 'string' }, 1).outcome).toBe('violated')
  })

  it('keeps schemas apart that share an id', () => {
    expect(judgeValue({ $id: 'https://example.com/x', type: 'string' }, 'a').outcome).toBe('satisfied')
    expect(judgeValue({ $id: 'https://example.com/x', type: 'number' }, 'a').outcome).toBe('violated')
  })

  it('judges rightly through more schemas than it keeps compiled', () => {
    for (const round of [0, 1]) {
      for (let at = 0; at < 80; at++) expect([round, at, judgeValue({ const: at }, at).outcome]).toEqual([round, at, 'satisfied'])
    }
  })
})

describe('judgeText', () => {
  it('wants JSON', () => {
    expect(judgeText({ type: 'string' }, '"a"').outcome).toBe('satisfied')
    expect(judgeText(true, '```json\n{}\n```')).toEqual({ outcome: 'violated', reason: 'the answer is not JSON' })
    expect(judgeText(true, '').outcome).toBe('violated')
  })
})
