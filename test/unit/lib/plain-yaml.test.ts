/** The quick reader of plain YAML: it takes what registries are written in, and never for anything but what the library takes it for. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { describe, expect, it } from 'vitest'
import type { Path } from '../../../src/lib/path.ts'
import { readPlainYaml } from '../../../src/lib/plain-yaml.ts'
import { MAX_YAML_DEPTH, readExactly, readYaml, type YamlFault, type YamlText } from '../../../src/lib/yaml.ts'

const limits = { maxDepth: MAX_YAML_DEPTH, maxSpaces: 250 }
const refuse = ([first]: readonly [YamlFault, ...YamlFault[]]) => new Error(`${first.code}: ${first.message}`)
const isPlain = (text: string) => readPlainYaml(text, limits) !== undefined

/** What both readers say of a text: each value with whether it stands without quotes. */
function judged({ value, isPlain: standsPlain }: YamlText) {
  const pathsOf = (node: unknown, path: Path): readonly Path[] => {
    if (Array.isArray(node)) return [path, ...node.flatMap((each, index) => pathsOf(each, [...path, index]))]
    if (typeof node !== 'object' || node === null) return [path]
    return [path, ...Object.entries(node).flatMap(([key, each]) => pathsOf(each, [...path, key]))]
  }
  return { value, plain: pathsOf(value, []).filter((path) => standsPlain(path)) }
}

/** @returns whether the quick reader took the text; it fails the test when the library takes it for anything else. */
function agree(text: string): boolean {
  if (!isPlain(text)) return false
  expect(judged(readYaml(text, { maxBytes: 1 << 20, refuse })), JSON.stringify(text)).toEqual(judged(readExactly(text, { refuse })))
  return true
}

describe('readPlainYaml', () => {
  it('takes every file of the registry that is published', () => {
    const folder = join(import.meta.dirname, '../../../registry')
    const files = ['canonical.yaml', ...readdirSync(join(folder, 'providers')).map((file) => `providers/${file}`)]
    expect(files.filter((file) => !agree(readFileSync(join(folder, file), 'utf8')))).toEqual([])
  })

  it.each([
    ['maps, lists and comments', '# top\na: b # beside\n\nc:\n  # within\n  - d: e\n    f: [g, h]\n  -\n    - i\n  - j\nk:\n- l\nm:'],
    ['brackets on one line', 'a: { b: [], c: {}, d: "e, }", f: [x, [y, { z: 0x1F }]] }\ng: { h: http://i/j:8080, k: l m }\n'],
    ['text as it is written', "a: 1e400\nb: 007\nc: NO\nd: 2026-11-20\ne: ~\nf: null\ng: ''\nh: 'say \"x\"'\ni: it's [x], {y} & *z\n"],
    ['keys that objects have anyway', 'constructor: a\ntoString: b\n"1": c\n0: d\nhasOwnProperty: e'],
  ])('takes %s', (_, text) => {
    expect(agree(text)).toBe(true)
  })

  it.each([
    ['a document marker', '---\na: b\n'],
    ['a second document', 'a: b\n---\nc: d\n'],
    ['an anchor', 'a: &x b\n'],
    ['an alias', 'a: b\nc: *x\n'],
    ['a tag', 'a: !!int 5\n'],
    ['a duplicate key', 'a: b\n"a": c\n'],
    ['the key __proto__', 'a: { __proto__: { b: c } }\n'],
    ['a complex key', '? a\n: b\n'],
    ['a folded text', 'a: >\n  b\n'],
    ['text that goes on below', 'a: b\n  c\n'],
    ['an escape', 'a: "\\u0041"\n'],
    ['a doubled quote', "a: 'it''s'\n"],
    ['brackets over lines', 'a: [b,\n  c]\n'],
    ['a tab', 'a:\tb\n'],
    ['Windows line ends', 'a: b\r\nc: d\r\n'],
    ['a mark of byte order', '\ufeffa: b\n'],
    ['half a character', 'a: \ud800\n'],
    ['deep brackets', `a: ${'['.repeat(40)}${']'.repeat(40)}\n`],
    ['deep lines', Array.from({ length: 40 }, (_, each) => `${' '.repeat(each)}a:\n`).join('')],
    ['far indentation', `a:\n${' '.repeat(1_500)}b: c\n`],
    ['no map or list', 'a'],
    ['nothing', '# a\n'],
  ])('leaves %s to the library', (_, text) => {
    expect(isPlain(text)).toBe(false)
  })

  it('law: what it takes, the library takes for the same (documents that a writer wrote)', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('a', 'no', '0x1f', '1e5', 'a: b', '# c', '- d', '~', 'null', '', '12:30:00', 'a,b', '<<'),
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        word,
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(word, tie('tree'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(word, tree, { minKeys: 1, maxKeys: 4 }), fc.boolean(), (value, flow) => {
        agree(stringify(value, { lineWidth: 0, ...(flow ? { collectionStyle: 'flow' } : {}) }))
      }),
      { numRuns: 300 },
    )
  })

  it('law: what it takes, the library takes for the same (any row of pieces of YAML)', () => {
    const pieces = [
      'a',
      'b',
      ':',
      ': ',
      '- ',
      '-',
      '\n',
      '\n  ',
      '\n    ',
      ' ',
      '{ ',
      ' }',
      '[',
      ']',
      ', ',
      '"',
      "'",
      ' # ',
      '#',
      '~',
      'null',
      'é',
      '0',
    ]
    const rare = [
      '&a ',
      '*a',
      '!t ',
      '|',
      '>',
      '? ',
      '---\n',
      '...',
      '%',
      '@',
      '`',
      '\\',
      '<<',
      '__proto__',
      '\t',
      '\r',
      '\u0085',
      '\u2028',
    ]
    const lines = ['a: b\n', 'c:\n', '  d: e\n', '  - f\n', '- g: h\n', '    i: { j: k }\n', '- [l, "m"]\n', "n: 'o'\n", '\n', '# p\n']
    const row = fc.array(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...pieces) }, fc.constantFrom(...rare)), { maxLength: 12 })
    const whole = fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...lines) },
        row.map((each) => each.join('')),
      ),
      { maxLength: 6 },
    )
    let taken = 0
    fc.assert(
      fc.property(whole, (parts) => {
        if (agree(parts.join(''))) taken++
      }),
      { numRuns: 4_000 },
    )
    expect(taken).toBeGreaterThan(100)
  })
})
