/** docs/guarantees.md names every invariant and hazard once, and no test that is not there. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const page = readFileSync(new URL('../../docs/guarantees.md', import.meta.url), 'utf8')
const rows = page.split('\n').filter((line) => /^\| (?:I?\d+) \|/.test(line))
const idOf = (row: string) => row.split('|')[1]?.trim() ?? ''

it('has fifteen invariants and twenty-seven hazards, in order', () => {
  const numbers = (count: number, prefix: string) => Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`)
  expect(rows.map(idOf)).toEqual([...numbers(15, 'I'), ...numbers(27, '')])
})

it.each(rows.map((row) => [idOf(row), row] as const))('%s is held by tests that exist, or says why not', (_, row) => {
  const named = [...row.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file ?? '')
  expect(named.length > 0 || row.includes('no test here:')).toBe(true)
  expect(named.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([])
})
