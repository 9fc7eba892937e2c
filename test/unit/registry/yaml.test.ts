/** The YAML of a registry: its own codes, each problem with its place. */
import { describe, expect, it } from 'vitest'
import { problemsOf } from '../../../src/registry/problem.ts'
import { readRegistryYaml } from '../../../src/registry/yaml.ts'

function refusal(text: string, maxBytes?: number) {
  try {
    readRegistryYaml(text, maxBytes === undefined ? {} : { maxBytes })
  } catch (error) {
    return problemsOf(error)[0]
  }
  return undefined
}

describe('readRegistryYaml', () => {
  it.each([
    ['alias', 'a: &x 1\nb: *x\n', 'aliases_forbidden', { line: 1, column: 4 }],
    ['custom tag', 'a: !!js/function "x"\n', 'tags_forbidden', { line: 1, column: 4 }],
    ['directive', '%YAML 1.1\n---\na: 1\n', 'tags_forbidden', { line: 1, column: 1 }],
    ['duplicate key', 'a: 1\nb: 2\na: 3\n', 'duplicate_key', { line: 3, column: 1 }],
    ['unclosed list', 'a: [1, 2\n', 'manifest_invalid', { line: 2, column: 1 }],
    ['second document', 'id: a\n---\nid: b\n', 'manifest_invalid', { line: 2, column: 1 }],
    ['prototype key', 'a:\n  __proto__: {x: 1}\n', 'manifest_invalid', { line: 2, column: 3 }],
    ['deep nesting', '['.repeat(2000), 'nesting_too_deep', { line: 1 }],
  ])('refuses %s with its place', (_, text, code, place) => {
    expect(refusal(text)).toMatchObject({ code, ...place })
  })

  it('refuses a text that is too large without reading it', () => {
    expect(refusal('a'.repeat(5_000_000))?.code).toBe('file_too_large')
    expect(refusal(`a: ${'é'.repeat(50)}`, 100)?.code).toBe('file_too_large')
  })
})
