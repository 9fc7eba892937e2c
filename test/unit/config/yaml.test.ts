/** The YAML reader: what it keeps as text, what it refuses unread, and where it says things are. */
import fc from 'fast-check'
import { stringify } from 'yaml'
import { describe, expect, it } from 'vitest'
import { MAX_YAML_DEPTH, readYaml } from '../../../src/config/yaml.ts'
import { RouteplaneError } from '../../../src/errors.ts'

const read = (text: string) => readYaml(text, { maxBytes: 65_536, file: 'some.yaml' })

function refusal(text: string): { code: string; problem: unknown; message: string } {
  try {
    read(text)
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
    const [problem] = error.details['problems'] as { code: string }[]
    return { code: error.code, problem: problem?.code, message: error.message }
  }
  throw new Error('the text was read')
}

describe('readYaml', () => {
  it('keeps every scalar as it was written', () => {
    const { value } = read('a: 0x209693Bc6afc0C5328bA36FaF03C514EF312287C\nb: 1e9\nc: true\nd: 007\ne: 2026-11-20\nf: "~"\n')
    expect(value).toEqual({ a: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C', b: '1e9', c: 'true', d: '007', e: '2026-11-20', f: '~' })
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
    ['an unclosed list', 'a: [', 'config_invalid', 'syntax'],
    ['the same key twice', 'a: 1\nb: 2\na: 3', 'config_invalid', 'duplicate_entry'],
    ['two documents', 'a: 1\n---\nb: 2', 'config_invalid', 'syntax'],
    ['a tag', 'a: !!js/function "() => 1"', 'config_invalid', 'tag_forbidden'],
    ['a tag before a block', 'a: !thing\n  b: c', 'config_invalid', 'tag_forbidden'],
    ['a tag before block text', 'a: !x |\n  text', 'config_invalid', 'tag_forbidden'],
    ['a lone anchor', 'a: &name value', 'aliases_forbidden', 'aliases_forbidden'],
    ['an alias', 'b: *name', 'aliases_forbidden', 'aliases_forbidden'],
    ['an alias as a key', '*name : b', 'aliases_forbidden', 'aliases_forbidden'],
    ['a list as a key', '? [a, b]\n: c', 'config_invalid', 'bad_key'],
    ['the key that is not one', '__proto__: {skip_auth: true}', 'config_invalid', 'bad_key'],
    ['a tab for indentation', 'a:\n\tb: c', 'config_invalid', 'syntax'],
    ['an unknown directive', '%FOO bar\n---\na: 1', 'config_invalid', 'syntax'],
  ])('refuses %s', (_, text, code, problem) => {
    expect(refusal(text)).toMatchObject({ code, problem })
  })

  it('refuses ten levels of aliases without resolving one', () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`)
    expect(refusal(['l0: &l0 [x,x,x,x,x,x,x,x,x]', ...levels].join('\n'))).toMatchObject({ code: 'aliases_forbidden' })
  })

  it('names file, line and column', () => {
    expect(refusal('ok: 1\nlist:\n  - *gone\n').message).toBe('some.yaml:3:5: anchors (&name) and aliases (*name) are not read')
  })

  it.each([
    ['flow lists', '['.repeat(1000) + ']'.repeat(1000)],
    ['flow lists that never close', '['.repeat(30_000)],
    ['flow maps', '{a: '.repeat(1000) + '}'.repeat(1000)],
    ['block lists on one line', '- '.repeat(30_000) + 'x'],
    ['explicit keys on one line', '? '.repeat(30_000) + 'x'],
    ['block maps', Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}k:`).join('\n')],
    ['lists opened between quoted closings', '[ "]", '.repeat(5000)],
    ['lists behind an apostrophe in plain text', `a: it's\nb: ${'['.repeat(5000)}`],
  ])('stops at deep nesting of %s before the composer sees it, again and again', (_, text) => {
    for (let round = 0; round < 10; round++) expect(refusal(text)).toMatchObject({ code: 'nesting_too_deep' })
  })

  it('counts levels and not brackets', () => {
    const allowed = '['.repeat(MAX_YAML_DEPTH) + ']'.repeat(MAX_YAML_DEPTH)
    expect(() => read(allowed)).not.toThrow()
    expect(refusal(`[${allowed}]`).code).toBe('nesting_too_deep')
    expect(read(`a: "${'['.repeat(100)}"\nb: |\n  ${'{'.repeat(100)}\n`).value).toEqual({ a: '['.repeat(100), b: `${'{'.repeat(100)}\n` })
    expect(read(`x: [${'[a], '.repeat(500)}]`).value).toMatchObject({ x: expect.arrayContaining([['a']]) })
  })

  it('refuses a text over its size by bytes, not characters', () => {
    expect(refusal(`a: ${'x'.repeat(65_534)}`)).toMatchObject({ problem: 'too_large' })
    expect(refusal(`a: "${'é'.repeat(33_000)}"`)).toMatchObject({ problem: 'too_large' })
  })

  it('law: reads back what was written, as text', () => {
    const key = fc.string({ maxLength: 12 }).filter((text) => text !== '__proto__')
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

  it('law: any text is read or refused with an error of ours', () => {
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
          expect(error).toBeInstanceOf(RouteplaneError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
