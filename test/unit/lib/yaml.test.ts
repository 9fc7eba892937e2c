/** The YAML reader: what it keeps as text, what it refuses unread, and where it says things are. */
import fc from 'fast-check'
import { stringify } from 'yaml'
import { describe, expect, it } from 'vitest'
import { MAX_YAML_DEPTH, readYaml, type YamlFault } from '../../../src/lib/yaml.ts'

class Refused extends Error {
  readonly faults: readonly YamlFault[]
  constructor(faults: readonly YamlFault[]) {
    super(faults[0]?.message)
    this.faults = faults
  }
}

const read = (text: string) => readYaml(text, { maxBytes: 65_536, refuse: (faults) => new Refused(faults) })

function refusal(text: string): YamlFault | undefined {
  try {
    read(text)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.faults[0]
  }
  throw new Error('the text was read')
}

describe('readYaml', () => {
  it('keeps every scalar as it was written', () => {
    const { value } = read('a: 0x209693Bc6afc0C5328bA36FaF03C514EF312287C\nb: 1e9\nc: true\nd: 007\ne: 2026-11-20\nf: "~"\n')
    expect(value).toEqual({ a: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C', b: '1e9', c: 'true', d: '007', e: '2026-11-20', f: '~' })
  })

  it('takes one document marker, comments and Windows line ends', () => {
    expect(read('---\r\n# note: [[[[\r\na: it\'s "x" [y\r\n').value).toEqual({ a: 'it\'s "x" [y' })
  })

  it('takes text that is indented far', () => {
    expect(read(`a: |\n${' '.repeat(300)}b\n`).value).toEqual({ a: 'b\n' })
  })

  it('reads nothing as null', () => {
    expect(read('a:\nb: ~\nc: null\nd: ""\n').value).toEqual({ a: null, b: null, c: null, d: '' })
    expect(read('').value).toBeNull()
    expect(read('# only words\n').value).toBeNull()
  })

  it('does not merge keys: "<<" is a key like another', () => {
    expect(read('<<: {a: b}').value).toEqual({ '<<': { a: 'b' } })
  })

  it('tells plain scalars from quoted ones', () => {
    const yaml = read('a: {b: 5, c: "5"}')
    expect([yaml.isPlain(['a', 'b']), yaml.isPlain(['a', 'c']), yaml.isPlain(['a']), yaml.isPlain(['x'])]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('finds keys and list items, and the nearest parent of what is not there', () => {
    const yaml = read('first: 1\nmap:\n  list:\n    - x\n    - key: v\n')
    expect(yaml.locate(['map', 'list'])).toEqual({ line: 3, column: 3 })
    expect(yaml.locate(['map', 'list', 1, 'key'])).toEqual({ line: 5, column: 7 })
    expect(yaml.locate(['map', 'list', 7])).toEqual({ line: 3, column: 3 })
    expect(yaml.locate(['nowhere'])).toEqual({ line: 1, column: 1 })
  })

  it.each([
    ['an unclosed list', 'a: [', 'syntax', [1, 5]],
    ['the same key twice', 'a: 1\nb: 2\na: 3', 'duplicate_entry', [3, 1]],
    ['two documents', 'a: 1\n---\nb: 2', 'syntax', [2, 1]],
    ['a tag', 'a: !!js/function "() => 1"', 'tag_forbidden', [1, 4]],
    ['a tag before a block', 'a: !thing\n  b: c', 'tag_forbidden', [1, 4]],
    ['a tag before block text', 'a: !x |\n  text', 'tag_forbidden', [1, 4]],
    ['a lone anchor', 'a: &name value', 'aliases_forbidden', [1, 4]],
    ['an alias', 'b: *name', 'aliases_forbidden', [1, 4]],
    ['an alias as a key', '*name : b', 'aliases_forbidden', [1, 1]],
    ['a merge key through an alias', 'a: {b: 1}\nc:\n  <<: *a\n', 'aliases_forbidden', [3, 7]],
    ['a list as a key', '? [a, b]\n: c', 'bad_key', [1, 3]],
    ['a key of nothing', 'a: {"": b}', 'bad_key', [1, 5]],
    ['the key that is not one', 'a:\n  __proto__: {skip_auth: true}', 'bad_key', [2, 3]],
    ['a tab for indentation', 'a:\n\tb: c', 'syntax', [2, 1]],
    ['a directive', '%YAML 1.1\n---\na: 1', 'tag_forbidden', [1, 1]],
  ])('refuses %s, and says where', (_, text, code, [line, column]) => {
    expect(refusal(text)).toMatchObject({ code, position: { line, column } })
  })

  it('refuses ten levels of aliases without resolving one', () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`)
    expect(refusal(['l0: &l0 [x,x,x,x,x,x,x,x,x]', ...levels].join('\n'))).toMatchObject({ code: 'aliases_forbidden' })
  })

  it.each([
    ['flow lists', '['.repeat(1000) + ']'.repeat(1000)],
    ['flow lists that never close', '['.repeat(30_000)],
    ['flow maps', '{a: '.repeat(1000) + '}'.repeat(1000)],
    ['block lists on one line', '- '.repeat(30_000) + 'x'],
    ['block lists on one line, all closed by the next', '- '.repeat(30_000) + 'x\ny: z'],
    ['explicit keys on one line', '? '.repeat(30_000) + 'x'],
    ['explicit keys on one line, all closed by the next', '? '.repeat(30_000) + 'x\ny: z'],
    ['explicit keys and lists in turn', '? - '.repeat(15_000) + 'x\n- y'],
    ['flow lists on many lines', '[\n'.repeat(400)],
    ['33 levels of flow lists', '['.repeat(33) + ']'.repeat(33)],
    ['a staircase of lists', Array.from({ length: 120 }, (_, level) => `${' '.repeat(level)}-`).join('\n')],
    ['block maps', Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}k:`).join('\n')],
    ['lists opened between quoted closings', '[ "]", '.repeat(5000)],
    ['lists behind an apostrophe in plain text', `a: it's\nb: ${'['.repeat(5000)}`],
  ])('stops at deep nesting of %s before the composer sees it, again and again', (_, text) => {
    for (let round = 0; round < 10; round++) expect(refusal(text)).toMatchObject({ code: 'nesting_too_deep' })
  })

  it('counts levels and not brackets', () => {
    const allowed = '['.repeat(MAX_YAML_DEPTH) + ']'.repeat(MAX_YAML_DEPTH)
    expect(() => read(allowed)).not.toThrow()
    expect(refusal(`[${allowed}]`)?.code).toBe('nesting_too_deep')
    expect(read(`a: "${'['.repeat(100)}"\nb: |\n  ${'{'.repeat(100)}\n`).value).toEqual({ a: '['.repeat(100), b: `${'{'.repeat(100)}\n` })
    expect(read(`x: [${'[a], '.repeat(500)}]`).value).toMatchObject({ x: expect.arrayContaining([['a']]) })
  })

  it('refuses a text over its size by bytes, not characters', () => {
    expect(refusal(`a: ${'x'.repeat(65_534)}`)).toMatchObject({ code: 'too_large' })
    expect(refusal(`a: "${'é'.repeat(33_000)}"`)).toMatchObject({ code: 'too_large' })
  })

  it('law: reads back what was written, as text', () => {
    const key = fc.string({ maxLength: 12 }).filter((text) => text !== '__proto__' && text !== '')
    const tree = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string(),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value
    fc.assert(
      fc.property(tree, (value) => {
        const text = stringify(value, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE', aliasDuplicateObjects: false })
        expect(read(text).value).toEqual(value)
      }),
    )
  })

  it('law: any text is read, or refused with a place', () => {
    const pieces = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      ',',
      '"',
      "'",
      '#',
      '|',
      '>',
      '&x',
      '*x',
      '!t',
      '?',
      '%',
      '---\n',
      '\t',
      '  ',
      '~',
      '\u0000',
      '\uFEFF',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        try {
          read(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(Refused)
          expect((error as Refused).faults.every(({ position }) => position !== undefined && position.line > 0)).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
