/** Where a tier begins, to the token: `min_context` is the first of it, `above_input_tokens` the last that is not. */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatUsd } from '../../../src/money.ts'
import { parseManifest } from '../../../src/registry/manifest.ts'
import { readModelsDocument } from '../../../src/registry/models-document.ts'
import { costOf, type Pricing } from '../../../src/registry/pricing.ts'
import { quoteOf } from '../../../src/registry/quote.ts'
import { needs } from './fixture.ts'

const bound = fc.integer({ min: 1, max: 5_000_000 })

/** The price of one input token in a request of so many, by both the bill and the guess. */
function perToken(pricing: Pricing | undefined, inputTokens: number): string {
  if (pricing === undefined) throw new Error('nothing was read')
  const billed = costOf(pricing, { inputTokens, outputTokens: 0, origin: 'provider' }, 0)
  const guessed = quoteOf(needs({ expectedInputTokens: inputTokens, maxInputTokens: inputTokens, maxOutputTokens: 0 })).expected(pricing, 0)
  expect(guessed).toBe(billed)
  return formatUsd(((billed ?? 0n) / BigInt(inputTokens)) as Parameters<typeof formatUsd>[0])
}

it('law: a document’s tier begins at exactly min_context', () => {
  fc.assert(
    fc.property(bound, (first) => {
      const tiers = [
        { prompt: '0.000001', completion: '0.000001' },
        { prompt: '0.000002', completion: '0.000002', min_context: first },
      ]
      const read = readModelsDocument({ data: [{ id: 'maker/m', pricing: tiers }] }, { requirePricing: true })
      const pricing = 'rows' in read ? read.rows[0]?.pricing : undefined
      if (first > 1) expect(perToken(pricing, first - 1)).toBe('0.000001')
      expect(perToken(pricing, first)).toBe('0.000002')
    }),
  )
})

it('law: a registry file’s tier begins after above_input_tokens', async () => {
  await fc.assert(
    fc.asyncProperty(bound, async (last) => {
      const price = (usd: string) => `{ no_cache: ${usd} }`
      const text = [
        'name: somebody',
        'api_base: https://somebody.dev/v1',
        'models:',
        '  - id: maker/m',
        '    pricing:',
        `      input_tokens: ${price('1')}`,
        '      output_tokens: { text: 1 }',
        `      context_tiers: [{ above_input_tokens: ${last}, input_tokens: ${price('2')} }]`,
        '',
      ].join('\n')
      const { models } = await parseManifest(text)
      expect(perToken(models[0]?.pricing, last)).toBe('0.000001')
      expect(perToken(models[0]?.pricing, last + 1)).toBe('0.000002')
    }),
    { numRuns: 30 },
  )
})
