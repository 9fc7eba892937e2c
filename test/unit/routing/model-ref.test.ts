/** The grammar of model refs: round trips, traps of colons, and what no ref may hold. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RouteplaneError } from '../../../src/errors.ts'
import { formatModelRef, parseModelRef } from '../../../src/routing/model-ref.ts'
import { variants } from '../../../src/selection/variant.ts'

const providers = new Set(['openrouter', 'ollama', 'cost', 'p'])
const parse = (text: string) => parseModelRef(text, (id) => providers.has(id))

function refusal(text: string): string | undefined {
  try {
    parse(text)
    return undefined
  } catch (error) {
    return (error as RouteplaneError).code
  }
}

const word = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,8}$/)
const modelId = fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const optionalVariant = fc.option(fc.constantFrom(...variants), { nil: undefined })

describe('parseModelRef', () => {
  it.each([
    ['openai/gpt-4o', { model: 'openai/gpt-4o' }],
    ['openai/gpt-4o:cost', { model: 'openai/gpt-4o', variant: 'cost' }],
    ['llama3:8b', { model: 'llama3:8b' }],
    ['llama3:8b:latency', { model: 'llama3:8b', variant: 'latency' }],
    ['openrouter:openai/gpt-4o', { provider: 'openrouter', model: 'openai/gpt-4o' }],
    ['openrouter:openai/gpt-4o:cost', { provider: 'openrouter', model: 'openai/gpt-4o', variant: 'cost' }],
    ['openrouter:openai/gpt-4o:free', { provider: 'openrouter', model: 'openai/gpt-4o:free' }],
    ['ollama:llama3:8b', { provider: 'ollama', model: 'llama3:8b' }],
    ['cost:openai/gpt-4o', { provider: 'cost', model: 'openai/gpt-4o' }],
    ['cost:openai/gpt-4o:cost', { provider: 'cost', model: 'openai/gpt-4o', variant: 'cost' }],
    ['cost:cost', { model: 'cost', variant: 'cost' }],
    ['somebody:model', { model: 'somebody:model' }],
    ['accounts/fireworks/models/llama', { model: 'accounts/fireworks/models/llama' }],
    ['openai/gpt-4o:free', { model: 'openai/gpt-4o:free' }],
    ['openai/gpt-4o:cost:latency', { model: 'openai/gpt-4o:cost', variant: 'latency' }],
    ['@fast', { preset: 'fast' }],
    ['@fast:cost', { preset: 'fast', variant: 'cost' }],
    ['@fast/openai/gpt-4o:cost', { preset: 'fast', model: 'openai/gpt-4o', variant: 'cost' }],
    ['@fast/llama3:8b', { preset: 'fast', model: 'llama3:8b' }],
  ])('reads %s', (text, parts) => {
    expect(parse(text)).toEqual({ text, ...parts })
  })

  it.each([
    '',
    ':cost',
    'openrouter:',
    '@',
    '@fast/',
    '@a b',
    '@preset/../x',
    '../../v1/admin',
    'a/../b',
    'a//b',
    '/a',
    'a/',
    '__proto__',
    'openai/gpt-4o\r\nX-Evil: 1',
    'openai/gpt-4o\u200b',
    'ｏpenai/gpt-4o',
    'оpenai/gpt-4o',
    'a b',
    'a\u0000',
    'a'.repeat(257),
    'a?x=1',
    'a#b',
    'a%2e%2e',
  ])('refuses %j', (text) => {
    expect(refusal(text)).toBe('invalid_model_id')
  })

  it('shows a refused id so that it cannot act in a terminal', () => {
    expect(() => parse('\u001b[31m\u202eevil')).toThrow(/^[\x20-\x7e]+$/)
  })

  it('reads back what is written', () => {
    const provider = fc.option(fc.constantFrom(...providers), { nil: undefined })
    fc.assert(
      fc.property(modelId, provider, optionalVariant, (model, pinned, variant) => {
        const ref = { model, ...(pinned === undefined ? {} : { provider: pinned }), ...(variant === undefined ? {} : { variant }) }
        const text = formatModelRef(ref)
        expect(parse(text)).toEqual({ text, ...ref })
      }),
    )
  })

  it('reads back what is written of presets', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
        fc.option(modelId, { nil: undefined }),
        optionalVariant,
        (preset, model, variant) => {
          const ref = { preset, ...(model === undefined ? {} : { model }), ...(variant === undefined ? {} : { variant }) }
          const text = formatModelRef(ref)
          expect(parse(text)).toEqual({ text, ...ref })
        },
      ),
    )
  })

  it('loses no letter of any text it takes', () => {
    const piece = fc.constantFrom(
      'openrouter',
      'ollama',
      'cost',
      'latency',
      'discount',
      'free',
      '8b',
      'x',
      ':',
      '/',
      '@',
      '@fast',
      'gpt-4o',
      '.',
    )
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const text = pieces.join('')
        fc.pre(refusal(text) === undefined)
        expect(formatModelRef(parse(text))).toBe(text)
      }),
      { numRuns: 3000 },
    )
  })
})
