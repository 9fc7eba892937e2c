/** `WWW-Authenticate` in every form that the grammar allows, and a refusal in our own words for every other. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../../src/errors.ts'
import { parseAuthenticate } from '../../../src/lib/authenticate.ts'

const read = (header: string) => parseAuthenticate(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

describe('parseAuthenticate', () => {
  it.each<[string, string, unknown]>([
    ['nothing', '', []],
    ['commas and blanks alone', ' , ,\t', []],
    ['a scheme alone', 'Negotiate', [['Negotiate', {}]]],
    ['a scheme with its one value', 'Negotiate YWJj==', [['Negotiate', {}]]],
    ['tokens and quoted text', 'Payment id=a, realm="b c"', [['Payment', { id: 'a', realm: 'b c' }]]],
    ['blanks around the equals sign', 'Payment id = "a" ,realm= b', [['Payment', { id: 'a', realm: 'b' }]]],
    ['escapes in quoted text', String.raw`Basic realm="a\"b\\c"`, [['Basic', { realm: String.raw`a"b\c` }]]],
    ['an empty quoted text', 'Basic realm=""', [['Basic', { realm: '' }]]],
    ['names in any case', 'Basic ReAlM=x', [['Basic', { realm: 'x' }]]],
    ['commas too many', ',Payment ,, id=a,,', [['Payment', { id: 'a' }]]],
    [
      'several challenges, one of which has no parameters',
      'Bearer realm="x", Payment id="1", method=evm, Negotiate, Payment id="2"',
      [
        ['Bearer', { realm: 'x' }],
        ['Payment', { id: '1', method: 'evm' }],
        ['Negotiate', {}],
        ['Payment', { id: '2' }],
      ],
    ],
    ['a scheme named in quoted text', 'Bearer realm="Payment id=9"', [['Bearer', { realm: 'Payment id=9' }]]],
    ['a prototype for a name', 'Payment __proto__=a', [['Payment', { ['__proto__']: 'a' }]]],
  ])('reads %s', (_, header, expected) => {
    expect(read(header).map(([scheme, parameters]) => [scheme, Object.entries(parameters as object)])).toEqual(
      (expected as [string, object][]).map(([scheme, parameters]) => [scheme, Object.entries(parameters)]),
    )
  })

  it.each([
    ['a quotation without an end', 'Payment id="a'],
    ['a parameter twice', 'Payment id=a, ID=b'],
    ['a challenge that no comma parts from the next', 'Payment id="a" Payment id="b"'],
    ['a parameter before any scheme', 'id="a"'],
    ['a value with a blank', 'Payment id=a b, realm=c'],
    ['letters beyond ASCII in a name', 'Payment né=a'],
  ])('refuses %s', (_, header) => {
    expect(() => parseAuthenticate(header)).toThrow(expect.objectContaining({ code: 'bad_challenge' }))
  })

  it('answers any text whatever, or refuses it in our own words', () => {
    const word = fc.constantFrom('Payment', 'Basic', ' ', ',', '=', '"', '\\', 'id', 'realm', 'a', '==', '\t', 'é')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
        ),
        (header) => {
          try {
            parseAuthenticate(header)
          } catch (error) {
            expect(error).toBeInstanceOf(RouteplaneError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('gives back every challenge it is written with', () => {
    const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
    const names = fc.uniqueArray(token, { minLength: 1, maxLength: 5, selector: (name) => name.toLowerCase() })
    const challenge = fc.record({ scheme: token, names, values: fc.array(fc.string(), { minLength: 5, maxLength: 5 }) })
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
        const quote = (text: string) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
        const header = challenges.map(
          ({ scheme, names, values }) => `${scheme} ${names.map((name, at) => `${name}=${quote(values[at] ?? '')}`).join(', ')}`,
        )
        const expected = challenges.map(({ scheme, names, values }) => [scheme, names.map((name, at) => [name.toLowerCase(), values[at]])])
        expect(parseAuthenticate(header.join(', ')).map(({ scheme, parameters }) => [scheme, [...parameters]])).toEqual(expected)
      }),
    )
  })
})
