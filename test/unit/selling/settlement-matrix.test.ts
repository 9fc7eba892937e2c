/** Every cell of the settlement matrix, written out by hand beside the rule that fills them, and the page that shows them. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { pagePath, settlementPage } from '../../../scripts/generate-settlement-docs.ts'
import { everyOutcome, settlementOf, type Verdict } from '../../../src/selling/settlement-matrix.ts'

const owed: Verdict = { charge: 'quote', again: 'another try, already paid' }
const whole: Verdict = { charge: 'quote', again: 'the same answer' }
const free: Verdict = { charge: 'nothing', again: 'another try' }
const metered: Verdict = { charge: 'usage', again: 'the same answer' }
const cut: Verdict = { charge: 'usage', again: 'a refusal' }

/** charging, delivery, closed by, usage */
const cells: Readonly<Record<string, Verdict>> = {
  'quote none caller unknown': free,
  'quote none provider unknown': free,
  'quote none gateway unknown': free,
  'quote part caller counted': whole,
  'quote part caller estimated': whole,
  'quote part caller unknown': whole,
  'quote part provider counted': owed,
  'quote part provider estimated': owed,
  'quote part provider unknown': owed,
  'quote part gateway counted': owed,
  'quote part gateway estimated': owed,
  'quote part gateway unknown': owed,
  'quote all end counted': whole,
  'quote all end estimated': whole,
  'quote all end unknown': whole,
  'quote all caller counted': whole,
  'quote all caller estimated': whole,
  'quote all caller unknown': whole,
  'quote all gateway counted': owed,
  'quote all gateway estimated': owed,
  'quote all gateway unknown': owed,
  'usage none caller unknown': free,
  'usage none provider unknown': free,
  'usage none gateway unknown': free,
  'usage part caller counted': cut,
  'usage part caller estimated': cut,
  'usage part caller unknown': { charge: 'quote', again: 'a refusal' },
  'usage part provider counted': cut,
  'usage part provider estimated': cut,
  'usage part provider unknown': { charge: 'quote', again: 'a refusal' },
  'usage part gateway counted': free,
  'usage part gateway estimated': free,
  'usage part gateway unknown': free,
  'usage all end counted': metered,
  'usage all end estimated': metered,
  'usage all end unknown': { charge: 'quote', again: 'the same answer' },
  'usage all caller counted': metered,
  'usage all caller estimated': metered,
  'usage all caller unknown': { charge: 'quote', again: 'the same answer' },
  'usage all gateway counted': free,
  'usage all gateway estimated': free,
  'usage all gateway unknown': free,
}

describe('the settlement matrix', () => {
  it('has these cells and no other', () => {
    const computed = everyOutcome().map((outcome) => {
      const { charging, delivery, closedBy, usage } = outcome
      return [`${charging} ${delivery} ${closedBy} ${usage}`, settlementOf(outcome)]
    })
    expect(Object.fromEntries(computed)).toEqual(cells)
    expect(computed.length).toBe(Object.keys(cells).length)
  })

  it('is the page that tsx scripts/generate-settlement-docs.ts writes', () => {
    expect(readFileSync(pagePath, 'utf8')).toBe(settlementPage())
  })
})
