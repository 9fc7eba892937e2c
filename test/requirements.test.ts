/** Compares the promises with the tests that cite them: an unknown citation fails, an uncited promise is listed as open. */
import { describe, expect, test } from 'vitest'
import { requirements } from './requirements.ts'
import { blank, readSources } from './support/sources.ts'

const calls = /\bverifies\(([^()]*)\)/g
const literal = /(['"`])([^'"`]*)\1/g

/** Gives the ids that a test file cites, with the file; comments do not count. */
function citationsIn(path: string, text: string): { readonly path: string; readonly id: string }[] {
  const code = blank(text, { strings: false })
  return [...code.matchAll(calls)].flatMap(([, list = '']) => [...list.matchAll(literal)].map(([, , id = '']) => ({ path, id })))
}

const known = new Set<string>(requirements.map(({ id }) => id))
const citations = readSources('test', ['.test.ts'])
  .filter(({ path }) => path !== 'test/requirements.test.ts')
  .flatMap(({ path, text }) => citationsIn(path, text))

describe('promises', () => {
  test('have unique ids of their document, and a sentence each', () => {
    expect(known.size).toBe(requirements.length)
    expect(requirements.filter(({ id, sentence }) => !/^[a-z]+(?:\.[a-z0-9_]+)+$/.test(id) || sentence.length < 15)).toEqual([])
  })

  test('that a test cites exist', () => {
    expect(citations.filter(({ id }) => !known.has(id))).toEqual([])
  })

  test('are found where they are cited', () => {
    const text =
      "test('a', () => {\n  verifies('card.cap.request', 'models.variant.cost')\n  // verifies('models.preset')\n  verifies(\n    'nonsense',\n  )\n})\n"
    expect(citationsIn('a.test.ts', text).map(({ id }) => id)).toEqual(['card.cap.request', 'models.variant.cost', 'nonsense'])
  })
})

test('the open promises are listed', () => {
  const cited = new Set(citations.map(({ id }) => id))
  const open = requirements.filter(({ id }) => !cited.has(id))
  const lines = open.map(({ id, seed, sentence }) => `  ${seed} ${id}: ${sentence}`)
  process.stdout.write(`${lines.join('\n')}\npromises: ${requirements.length - open.length} cited by a test, ${open.length} open\n`)
  expect(open.length + new Set([...cited].filter((id) => known.has(id))).size).toBe(requirements.length)
})
