/** Hostile and ordinary YAML: every refusal has a code and a place, and nothing takes the process down. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { problemsOf } from '../../../src/registry/problem.ts'
import { readYaml } from '../../../src/registry/yaml.ts'

function refusal(text: string, maxBytes?: number) {
  try {
    readYaml(text, maxBytes === undefined ? {} : { maxBytes })
  } catch (error) {
    return problemsOf(error)[0]
  }
  return undefined
}

describe('readYaml', () => {
  it('keeps every scalar as the text that was written', () => {
    const text = 'a: 0x209693Bc6afc0C5328bA36FaF03C514EF312287C\nb: 1e9\nc: yes\nd: 007\ne: "quoted"\nf:\ng: ~\nh: ""\n'
    expect(readYaml(text).value).toEqual({
      a: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
      b: '1e9',
      c: 'yes',
      d: '007',
      e: 'quoted',
      f: null,
      g: null,
      h: '',
    })
  })

  it('knows what stands without quotes, and where', () => {
    const read = readYaml('payment:\n  modes: [x402]\n  x402_address: 0x12\n  other: "0x12"\n')
    expect(read.isPlain(['payment', 'x402_address'])).toBe(true)
    expect(read.isPlain(['payment', 'other'])).toBe(false)
    expect(read.locate(['payment', 'x402_address'])).toEqual({ line: 3, column: 3 })
    expect(read.locate(['payment', 'modes', 0])).toEqual({ line: 2, column: 11 })
    expect(read.locate(['payment', 'nothing', 'here'])).toEqual({ line: 1, column: 1 })
  })

  it.each([
    ['two thousand open brackets', '['.repeat(2000)],
    ['a thousand bracket pairs', '['.repeat(1000) + ']'.repeat(1000)],
    ['open braces', 'a: ' + '{b: '.repeat(500)],
    ['brackets hidden behind quoted closing ones', 'a: ' + '["]", '.repeat(400)],
    ['brackets on many lines', '[\n'.repeat(400)],
    ['a row of list marks', '- '.repeat(2000) + 'a'],
    ['a row of explicit keys', '? '.repeat(2000) + 'a'],
    ['a staircase of keys', Array.from({ length: 300 }, (_, level) => `${' '.repeat(level)}k:`).join('\n')],
    ['a staircase of list marks', Array.from({ length: 120 }, (_, level) => `${' '.repeat(level)}-`).join('\n')],
    ['33 levels of flow lists', '['.repeat(33) + ']'.repeat(33)],
  ])('stops at %s before the parser could fall', (_, text) => {
    for (let again = 0; again < 20; again++) expect(refusal(text)?.code).toBe('nesting_too_deep')
  })

  it('reads 32 levels', () => {
    expect(refusal('['.repeat(32) + ']'.repeat(32))).toBeUndefined()
  })

  it.each([
    ['alias', 'a: &x 1\nb: *x\n', 'aliases_forbidden', { line: 1, column: 4 }],
    ['alias bomb', 'a: [x, x]\nb: [*a, *a]\n', 'aliases_forbidden', { line: 2, column: 5 }],
    ['merge key through an alias', 'a: {b: 1}\nc:\n  <<: *a\n', 'aliases_forbidden', { line: 3, column: 7 }],
    ['custom tag', 'a: !!js/function "x"\n', 'tags_forbidden', { line: 1, column: 4 }],
    ['directive', '%YAML 1.1\n---\na: 1\n', 'tags_forbidden', { line: 1, column: 1 }],
    ['duplicate key', 'a: 1\nb: 2\na: 3\n', 'duplicate_key', { line: 3, column: 1 }],
    ['unclosed list', 'a: [1, 2\n', 'manifest_invalid', { line: 2, column: 1 }],
    ['second document', 'id: a\n---\nid: b\n', 'manifest_invalid', { line: 2, column: 1 }],
    ['key that is a list', '? [a, b]\n: 1\n', 'manifest_invalid', { line: 1, column: 1 }],
    ['prototype key', 'a:\n  __proto__: {x: 1}\n', 'manifest_invalid', { line: 2, column: 3 }],
  ])('refuses %s with its place', (_, text, code, place) => {
    expect(refusal(text)).toMatchObject({ code, ...place })
  })

  it('refuses a text that is too large without reading it', () => {
    expect(refusal('a'.repeat(5_000_000))?.code).toBe('file_too_large')
    expect(refusal(`a: ${'é'.repeat(50)}`, 100)?.code).toBe('file_too_large')
  })

  it('takes one document marker, comments and Windows line ends', () => {
    expect(readYaml('---\r\n# note: [[[[\r\na: it\'s "x" [y\r\n').value).toEqual({ a: 'it\'s "x" [y' })
  })

  it('answers any text at all with a value or with problems that have a place', () => {
    const piece = fc.constantFrom(...'[]{},"\'#|>x%\t\n'.split(''), ': ', '- ', '? ', '  ', '&a', '*a', '!t', '---\n')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 120 }), (pieces) => {
        const problem = refusal(pieces.join(''))
        expect(problem === undefined || (problem.line ?? 0) > 0).toBe(true)
      }),
      { numRuns: 1500 },
    )
  })
})
