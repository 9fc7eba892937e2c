/** The search for repeated members, against a plain recursive reading of the same text. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findDuplicateKey } from '../../../src/http/duplicate-key.ts'

describe('findDuplicateKey', () => {
  it('finds nothing in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        expect(findDuplicateKey(JSON.stringify(value, null, indent))).toBeUndefined()
      }),
    )
  })

  it('finds a member that was put in twice, wherever it stands and however it is spelled', () => {
    const members = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1, maxKeys: 8 })
    fc.assert(
      fc.property(members, fc.nat(), fc.boolean(), fc.nat(2), (object, pick, escape, depth) => {
        const keys = Object.keys(object)
        const key = keys[pick % keys.length] as string
        const spelled = escape ? `"${[...key].map(escaped).join('')}"` : JSON.stringify(key)
        const inner = `${JSON.stringify(object).slice(0, -1)} , ${spelled}: [{"a":1}] }`
        const text = '{"x":'.repeat(depth) + inner + '}'.repeat(depth)
        expect(findDuplicateKey(text)).toBe(key)
      }),
    )
  })

  it('does not take values, array items or neighbours for keys', () => {
    for (const text of [
      '{"a":"a","b":"a"}',
      '["a","a"]',
      '[{"a":1},{"a":2}]',
      '{"a":{"a":{"a":1}}}',
      '{"a":"}{\\"a\\":","b":1}',
      '"a"',
      '1',
    ]) {
      expect(findDuplicateKey(text)).toBeUndefined()
    }
  })

  it('leaves objects below what is priced alone', () => {
    expect(findDuplicateKey('{"a":{"b":{"c":1,"c":2}}}')).toBe('c')
    expect(findDuplicateKey('{"a":{"b":{"d":{"c":1,"c":2}}}}')).toBeUndefined()
  })
})

function escaped(character: string): string {
  return [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
}
