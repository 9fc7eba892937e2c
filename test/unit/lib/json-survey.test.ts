/** The one look over a JSON text: repeated members against a plain reading, places against the scan of the bytes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanMembers } from '../../../src/lib/json-splice.ts'
import { surveyJson } from '../../../src/lib/json-survey.ts'

const findDuplicateKey = (text: string) => surveyJson(text).repeatedKey

describe('a repeated member', () => {
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

describe('the top-level members', () => {
  const blank = fc.constantFrom('', ' ', '\n\t')

  it('stand where the scan of the bytes finds them', () => {
    const members = fc.dictionary(fc.string({ unit: 'grapheme-ascii' }), fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme-ascii' }))
    fc.assert(
      fc.property(members, blank, (object, space) => {
        const inner = Object.entries(object).map(
          ([key, value]) => `${space}${JSON.stringify(key)}${space}:${space}${JSON.stringify(value)}${space}`,
        )
        const text = `${space}{${inner.join(',')}}${space}`
        expect(surveyJson(text).members).toEqual(scanMembers(Buffer.from(text)))
      }),
    )
  })

  it('are of the outermost object only', () => {
    expect(surveyJson('[{"a":1}]').members).toEqual([])
    expect(surveyJson('{"a":{"b":[1,{"c":2}]},"d":"x,}"}').members.map(({ key }) => key)).toEqual(['a', 'd'])
  })

  it('say nothing of a text that is no JSON, and do not throw', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', ' ', '1', 'u') }),
        (text) => void surveyJson(text),
      ),
    )
  })
})

it.each([64, 65])('%i levels', (levels) => {
  expect(surveyJson('['.repeat(levels) + ']'.repeat(levels)).isTooDeep).toBe(levels > 64)
})

function escaped(character: string): string {
  return [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
}
