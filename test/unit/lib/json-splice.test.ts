/** Splicing top-level members: the result parses to what was asked, and the rest keeps its bytes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { membersOf, spliceJson } from '../../../src/lib/json-splice.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)

const key = fc.oneof(fc.string(), fc.constantFrom('model', 'models', 'provider', '__proto__', 'a"b', 'back\\slash', 'é', '\u2028'))
const members = fc.uniqueArray(fc.tuple(key, fc.jsonValue({ maxDepth: 4 })), { selector: ([name]) => name, maxLength: 8 })
const space = fc.constantFrom('', ' ', '\n', '\t', '\r\n  ')

/** Writes members with odd but legal blanks and escapes, as callers do. */
function write(entries: readonly (readonly [string, unknown])[], blank: string, escapeKeys: boolean): string {
  const name = (of: string): string =>
    escapeKeys
      ? `"${[...of]
          .map((c) =>
            c
              .split('')
              .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
              .join(''),
          )
          .join('')}"`
      : JSON.stringify(of)
  const inner = entries.map(([of, value]) => `${blank}${name(of)}${blank}:${blank}${JSON.stringify(value)}${blank}`).join(',')
  return `${blank}{${inner === '' ? blank : inner}}${blank}`
}

describe('spliceJson', () => {
  it('gives what setting and deleting on the parsed object would give', () => {
    fc.assert(
      fc.property(members, members, fc.array(key), fc.tuple(space, fc.boolean()), (entries, set, remove, [blank, escapeKeys]) => {
        const body = bytes(write(entries, blank, escapeKeys))
        const expected = new Map<string, unknown>(entries)
        for (const name of remove) expected.delete(name)
        for (const [name, value] of set) expected.set(name, value)
        const result = JSON.parse(text(spliceJson(body, { set: new Map(set), remove }))) as Record<string, unknown>
        const found = new Map(Object.entries(result))
        expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
        for (const [name, value] of expected) expect(JSON.stringify(found.get(name))).toBe(JSON.stringify(value))
      }),
      { numRuns: 500 },
    )
  })

  it('keeps untouched members byte for byte', () => {
    fc.assert(
      fc.property(members, space, fc.array(key), (entries, blank, remove) => {
        const body = bytes(write(entries, blank, false))
        const before = new Map(membersOf(body).map((m) => [m.key, text(body.subarray(m.keyStart, m.valueEnd))]))
        const spliced = spliceJson(body, { set: new Map([['model', 'x']]), remove })
        for (const member of membersOf(spliced)) {
          if (member.key !== 'model') expect(text(spliced.subarray(member.keyStart, member.valueEnd))).toBe(before.get(member.key))
        }
      }),
    )
  })

  it('changes nothing when nothing is asked', () => {
    fc.assert(
      fc.property(members, space, (entries, blank) => {
        const body = bytes(write(entries, blank, false))
        expect(text(spliceJson(body, {}))).toBe(text(body))
      }),
    )
  })

  it('keeps a lone surrogate as the escape it was written in', () => {
    const body = bytes('{"model":"a","messages":[{"role":"user","content":"\\ud800"}]}')
    expect(text(spliceJson(body, { set: new Map([['model', 'b']]) }))).toBe(
      '{"model":"b","messages":[{"role":"user","content":"\\ud800"}]}',
    )
  })

  it.each([
    ['plainly', '{"model":"cheap/a","model":"dear/b"}'],
    ['spelt with an escape', '{"model":"cheap/a","mod\\u0065l":"dear/b"}'],
    ['with other members between', '{"model":"a","x":{"model":1},"model":"b"}'],
  ])('refuses a key that stands twice, %s', (_, body) => {
    expect(() => spliceJson(bytes(body), {})).toThrow(expect.objectContaining({ code: 'duplicate_key' }))
  })

  it('allows the same key on different levels', () => {
    expect(membersOf(bytes('{"a":{"a":[{"a":1}]},"b":{"a":1}}')).map((m) => m.key)).toEqual(['a', 'b'])
  })

  it.each([
    '',
    '[]',
    'null',
    '42',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":"',
    '{"a":"\\',
    '{"a":[',
    '{"a":1,}',
    '{"a" 1}',
    '{a:1}',
    '{"a":[1}',
    '\ufeff{}',
  ])('never reads past broken bytes: %j', (body) => {
    const run = (): unknown => membersOf(bytes(body))
    expect(run).toThrow(expect.objectContaining({ code: 'invalid_json' }))
  })

  it('handles a body of many megabytes with quotes, escapes and long strings', () => {
    const message = { role: 'user', content: 'say "hi" \\ and\n'.repeat(50_000) + '\\' }
    const body = bytes(JSON.stringify({ messages: Array.from({ length: 24 }, () => message), model: 'a/b', stream: true }))
    expect(body.length).toBeGreaterThan(20_000_000)
    const result = JSON.parse(text(spliceJson(body, { set: new Map([['model', 'c']]), remove: ['stream'] }))) as Record<string, unknown>
    expect(result['model']).toBe('c')
    expect(result['stream']).toBeUndefined()
    expect((result['messages'] as unknown[])[23]).toEqual(message)
  })

  it('takes as many members as are read, and refuses more', () => {
    const bodyOf = (members: number) => bytes(`{${Array.from({ length: members }, (_, at) => `"k${at}":${at}`).join(',')}}`)
    const spliced = spliceJson(bodyOf(10_000), { set: new Map([['model', 'a']]), remove: ['k5', 'k9999'] })
    expect(membersOf(spliced).length).toBe(9_999)
    expect(() => spliceJson(bodyOf(10_001), {})).toThrow(expect.objectContaining({ code: 'body_too_large' }))
  })

  it('edits what an edit has made', () => {
    const once = spliceJson(bytes('{"model":"a","é":"ü","n":1}'), { set: new Map([['added', [1]]]), remove: ['n'] })
    expect(text(spliceJson(once, { set: new Map([['model', 'b']]), remove: ['added'] }))).toBe('{"model":"b","é":"ü"}')
  })
})
