/** Losses are told by feature and path, and amount to an error only when they must. */
import { describe, expect, it } from 'vitest'
import { answerStatus } from '../../../src/errors.ts'
import {
  approximated,
  errorOfLosses,
  formatLossHeader,
  lossClassOf,
  lossTable,
  omitted,
  refusal,
  unsupported,
  type LossFeature,
} from '../../../src/protocol/loss.ts'

const features = Object.keys(lossTable) as LossFeature[]

describe('the table', () => {
  it.each(features)('%s: a hint is never refused, and a semantic feature goes only as the table says', (feature) => {
    const { action } = unsupported('p', feature, 'why')
    expect(action).toBe(lossTable[feature].unsupported)
    expect(lossClassOf(feature) === 'hint' && action === 'refused').toBe(false)
  })

  it('takes a name it does not know for semantic, those of Object too', () => {
    expect(lossClassOf('nonsense')).toBe('semantic')
    expect(lossClassOf('constructor')).toBe('semantic')
    expect(lossClassOf('top_k')).toBe('hint')
  })
})

describe('errorOfLosses', () => {
  const hints = [omitted('top_k', 'top_k', 'the wire has none'), approximated('stop', 'stop', 'cut here')]

  it('lets everything through that is not refused, unless strict', () => {
    expect(errorOfLosses([], { strict: true })).toBeUndefined()
    expect(errorOfLosses(hints, { strict: false })).toBeUndefined()
    expect(errorOfLosses(hints, { strict: true })).toMatchObject({
      code: 'unsupported_parameter',
      details: { path: 'top_k', feature: 'top_k' },
    })
  })

  it('names the refused one first, and is a 400 with the money untouched', () => {
    const error = errorOfLosses([...hints, refusal('logit_bias', 'logit_bias', 'the wire has none')], { strict: true })
    expect(error?.message).toBe('logit_bias cannot be carried to this provider: the wire has none')
    expect(error?.money).toBe('untouched')
    expect(error === undefined ? 0 : answerStatus(error)).toBe(400)
  })
})

describe('formatLossHeader', () => {
  it('counts all and names each feature once, in order', () => {
    const losses = [unsupported('a', 'schema.keyword', ''), unsupported('b', 'top_k', ''), unsupported('c', 'schema.keyword', '')]
    expect(formatLossHeader(losses)).toBe('3; schema.keyword, top_k')
    expect(formatLossHeader([])).toBeUndefined()
  })

  it('is a legal header whatever an encoder named, and short', () => {
    const odd = Array.from(
      { length: 100 },
      (_, at) => ({ path: '', feature: `x${at}\r\nset-cookie: é`, action: 'omitted', how: '' }) as const,
    )
    const header = formatLossHeader(odd) ?? ''
    expect(header).toMatch(/^100; [A-Za-z0-9_.,\- ]+, more$/)
    expect(header.length).toBeLessThan(1200)
  })
})
