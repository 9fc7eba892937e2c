/** Variants: derived from the axes, and which of them say who may serve. */
import { describe, expect, it } from 'vitest'
import { discountRefusal, isVariant, orderOfVariant, sortOrderOf, variants } from '../../../src/selection/variant.ts'
import { endpoint } from '../registry/fixture.ts'
import { verifies } from '../../support/verifies.ts'

describe('variants', () => {
  it('are the axes a caller can name, the default and our own supply', () => {
    expect(variants).toEqual(['balanced', 'cost', 'latency', 'throughput', 'discount'])
    expect(['uptime', 'free', '8b', '', 'Cost', 'toString'].filter(isVariant)).toEqual([])
  })

  it('rank by themselves, and by balance when they name no axis', () => {
    verifies('models.variant.bare')
    expect([undefined, 'discount', 'balanced', 'cost'].map((variant) => orderOfVariant(variant as never))).toEqual([
      'balanced',
      'balanced',
      'balanced',
      'cost',
    ])
  })

  it('are the words of provider.sort, with its own word for cost', () => {
    expect(['price', 'cost', 'latency', 'discount', 'best'].map(sortOrderOf)).toEqual(['cost', 'cost', 'latency', undefined, undefined])
  })
})

describe(':discount', () => {
  const managed = endpoint('own', 'm', {}, { kind: 'managed' })
  it.each([
    [managed, true, 'in'],
    [managed, false, 'open-weight'],
    [managed, undefined, 'open-weight'],
    [endpoint('other', 'm'), true, 'managed supply'],
  ])('of %# is judged by supply and by the model’s licence', (each, openWeights, refusal) => {
    expect(discountRefusal(each, openWeights) ?? 'in').toContain(refusal)
  })
})
