/** The shared vocabulary of models and the ids that lead to it. */
import { describe, expect, it } from 'vitest'
import { canonicalIdOf, parseCanonical } from '../../../src/registry/canonical.ts'
import { problemsOf } from '../../../src/registry/problem.ts'
import { verifies } from '../../support/verifies.ts'

const TEXT = `
models:
  - id: openai/gpt-4o
    name: "OpenAI: GPT-4o"
    description: A model.
    input_modalities: [text, image]
    output_modalities: [text]
    max_input_tokens: 128000
    max_output_tokens: 16384
    release_date: 2024-05-13
    knowledge_cutoff: 2023-10
    family: gpt
    open_weights: false
    official_pricing: { input_tokens: { no_cache: 2.5 }, output_tokens: { text: 10 } }
    aliases: [gpt-4o, gpt-4o-2024-05-13]
  - { id: meta/llama-3, name: Llama 3, input_modalities: text, output_modalities: text }
`

function codes(text: string): readonly string[] {
  try {
    parseCanonical(text)
    return []
  } catch (error) {
    return problemsOf(error).map((problem) => problem.code)
  }
}

describe('canonical.yaml', () => {
  it('is read with every field', () => {
    verifies('listing.model.family', 'listing.spec.cutoff')
    const { models, aliases } = parseCanonical(TEXT)
    expect(models.get('openai/gpt-4o')).toMatchObject({
      maxInputTokens: 128_000,
      openWeights: false,
      knowledgeCutoff: '2023-10',
      family: 'gpt',
    })
    expect(models.get('openai/gpt-4o')?.officialPricing?.tiers[0].prompt).toBe(2_500_000_000_000n)
    expect(models.get('meta/llama-3')).toMatchObject({ inputModalities: ['text'], openWeights: undefined })
    expect([...aliases.keys()]).toEqual(['gpt-4o', 'gpt-4o-2024-05-13'])
  })

  it.each([
    ['an id without a maker', TEXT.replace('meta/llama-3', 'llama-3'), 'invalid_id'],
    ['an id with a capital', TEXT.replace('meta/llama-3', 'Meta/llama-3'), 'invalid_id'],
    ['two models with one id', TEXT.replace('meta/llama-3', 'openai/gpt-4o'), 'duplicate_id'],
    ['an alias that is a model', TEXT.replace('[gpt-4o,', '[meta/llama-3,'), 'duplicate_id'],
    ['an unknown modality', TEXT.replace('[text, image]', '[text, smell]'), 'unknown_value'],
    ['an unknown key', TEXT.replace('family:', 'familly:'), 'unknown_key'],
    ['a day that does not exist', TEXT.replace('2024-05-13\n', '2024-02-30\n'), 'invalid_date'],
  ])('is refused with %s', (_, text, code) => {
    verifies('listing.model.id')
    expect(codes(text)).toContain(code)
  })
})

describe('canonicalIdOf', () => {
  const index = parseCanonical(TEXT)
  it.each([
    [{ upstreamModel: 'x', canonicalId: 'openai/gpt-4o' }, 'openai/gpt-4o'],
    [{ upstreamModel: 'x', canonicalId: 'gpt-4o' }, 'openai/gpt-4o'],
    [{ upstreamModel: 'openai/gpt-4o' }, 'openai/gpt-4o'],
    [{ upstreamModel: 'gpt-4o-2024-05-13' }, 'openai/gpt-4o'],
    [{ upstreamModel: 'llama3:8b' }, 'llama3:8b'],
  ])('of %o is %s', (row, id) => {
    expect(canonicalIdOf(index, row)).toBe(id)
  })
})
