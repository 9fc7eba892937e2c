/** Effort, budgets and levels say the same thing as nearly as each scale can. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import type { ReasoningEffort } from '../../../src/completion/request.ts'
import {
  budgetToEffort,
  effortToBudget,
  effortToLevel,
  effortToMessages,
  effortToOpenAi,
  fitThinkingBudget,
  levelToEffort,
} from '../../../src/protocol/reasoning-effort.ts'

const efforts: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']
const rank = (effort: ReasoningEffort): number => efforts.indexOf(effort)

describe('budgets', () => {
  it.each([
    [0, 'none'],
    [1, 'low'],
    [1024, 'low'],
    [1025, 'medium'],
    [8192, 'medium'],
    [24_576, 'high'],
    [24_577, 'xhigh'],
    [-1, undefined],
    [Number.NaN, undefined],
  ] as const)('%d tokens are %s', (budget, effort) => {
    expect(budgetToEffort(budget)).toBe(effort)
  })

  it('grow with the effort, stay within the model, and come back as the same effort in the middle of the scale', () => {
    fc.assert(
      fc.property(fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }), (most) => {
        const budgets = efforts.map((effort) => effortToBudget(effort, most))
        expect(budgets.filter((budget) => most !== undefined && budget > most)).toEqual([])
        // The two at the top mean the model's own most, which may be less than what the names below stand for.
        expect(budgets.slice(0, 5)).toEqual(budgets.slice(0, 5).toSorted((a, b) => a - b))
        expect(Math.max(...budgets)).toBe(most === undefined ? 24_576 : Math.max(most, budgets[4] ?? 0))
      }),
    )
    for (const effort of ['none', 'low', 'medium', 'high'] as const) expect(budgetToEffort(effortToBudget(effort))).toBe(effort)
    expect(effortToBudget('max')).toBe(24_576)
    expect(effortToBudget('xhigh', 32_768)).toBe(32_768)
  })

  it('raise the output limit and never fall', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 1, max: 100_000 }), (budget, limit) => {
        const fitted = fitThinkingBudget(budget, limit)
        expect(fitted.budgetTokens).toBe(Math.max(1024, budget))
        expect(fitted.maxTokens).toBeGreaterThan(fitted.budgetTokens)
        expect(fitted.maxTokens).toBeGreaterThanOrEqual(limit)
      }),
    )
    expect(fitThinkingBudget(8192, 64_000)).toEqual({ budgetTokens: 8192, maxTokens: 64_000 })
  })
})

describe('names', () => {
  it('map to Google’s levels and back, and to nothing from a level that is not known', () => {
    expect(efforts.map(effortToLevel)).toEqual(['MINIMAL', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH', 'HIGH', 'HIGH'])
    for (const effort of ['minimal', 'low', 'medium', 'high'] as const) expect(levelToEffort(effortToLevel(effort))).toBe(effort)
    expect(levelToEffort('THINKING_LEVEL_UNSPECIFIED')).toBeUndefined()
  })

  it('map to Anthropic’s, where none is no effort at all', () => {
    expect(efforts.map(effortToMessages)).toEqual([undefined, 'low', 'low', 'medium', 'high', 'xhigh', 'max'])
  })

  it('fit what an OpenAI model takes: never more thinking unless there is no less', () => {
    expect(effortToOpenAi('minimal', ['low', 'medium', 'high'])).toBe('low')
    expect(effortToOpenAi('max', ['low', 'medium', 'high'])).toBe('high')
    expect(effortToOpenAi('none', ['low'])).toBeUndefined()
    fc.assert(
      fc.property(fc.constantFrom(...efforts), fc.subarray([...efforts]), (effort, taken) => {
        const fitted = effortToOpenAi(effort, taken)
        const thinking = taken.filter((each) => each !== 'none')
        const isRaised = fitted !== undefined && rank(fitted) > rank(effort)
        expect(fitted === undefined).toBe(effort === 'none' ? !taken.includes('none') : thinking.length === 0)
        expect(fitted === undefined || taken.includes(fitted)).toBe(true)
        expect(thinking.filter((each) => isRaised && rank(each) < rank(effort))).toEqual([])
      }),
    )
  })
})
