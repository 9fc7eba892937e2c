/** The one look over a JSON text: repeated members against a plain reading, places against the bytes, and its bounds. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_JSON_MEMBERS, MAX_JSON_VALUES, surveyJson } from '../../../src/lib/json-survey.ts'

const survey = (text: string) => surveyJson(Buffer.from(text).toString('latin1'))
const findDuplicateKey = (text: string) => survey(text).repeatedKey

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

  it('stand where their keys and values are, to the byte', () => {
    const members = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }), { maxKeys: 4 })
    fc.assert(
      fc.property(members, blank, (object, space) => {
        const entries = Object.entries(object)
        const inner = entries.map(([key, value]) => `${space}${JSON.stringify(key)}${space}:${space}${JSON.stringify(value)}${space}`)
        const bytes = Buffer.from(`${space}{${inner.join(',')}}${space}`)
        const found = surveyJson(bytes.toString('latin1')).members.map(({ key, keyStart, valueStart, valueEnd }) => [
          key,
          bytes.toString('utf8', keyStart, valueStart).replaceAll(/\s*:\s*$/g, ''),
          bytes.toString('utf8', valueStart, valueEnd),
        ])
        expect(found).toEqual(entries.map(([key, value]) => [key, JSON.stringify(key), JSON.stringify(value)]))
      }),
    )
  })

  it('are of the outermost object only', () => {
    expect(survey('[{"a":1}]').members).toEqual([])
    expect(survey('{"a":{"b":[1,{"c":2}]},"d":"x,}"}').members.map(({ key }) => key)).toEqual(['a', 'd'])
  })

  it('say nothing of a text that is no JSON, and do not throw', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', ' ', '1', 'u') }),
        (text) => void survey(text),
      ),
    )
  })
})

describe('what is too much', () => {
  it.each([64, 65])('%i levels', (levels) => {
    expect(survey('['.repeat(levels) + ']'.repeat(levels)).excess).toBe(levels > 64 ? 'depth' : undefined)
  })

  it.each([
    ['at the top', (object: string) => object],
    ['far below it', (object: string) => `{"a":[{"b":{"c":{"d":${object}}}}]}`],
  ])('more members of one object than anything has, %s', (_, around) => {
    const objectOf = (members: number) => around(`{${Array.from({ length: members }, (_unused, at) => `"k${at}":0`).join()}}`)
    expect(survey(objectOf(MAX_JSON_MEMBERS)).excess).toBeUndefined()
    expect(survey(objectOf(MAX_JSON_MEMBERS + 1)).excess).toBe('members')
  })

  it.each(['0', '[]', '{}', '{"a":0}', '"a"'])('more values in all than anything has: a list of %s', (value) => {
    const listOf = (items: number) => `[${`${value},`.repeat(items - 1)}${value}]`
    expect(survey(listOf(MAX_JSON_VALUES / 4)).excess).toBeUndefined()
    expect(survey(listOf(MAX_JSON_VALUES + 1)).excess).toBe('values')
  })

  it('does not grow with objects that are merely many', () => {
    expect(survey(`[${'{"a":1,"b":2},'.repeat(MAX_JSON_MEMBERS)}{}]`).excess).toBeUndefined()
  })
})

function escaped(character: string): string {
  return [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
}
