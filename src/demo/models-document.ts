/** The list of models that a demo provider publishes, in the form that the registry polls. */
import type { PriceList } from './price-list.ts'

export type Listed = {
  readonly id: string
  readonly prices: PriceList
  readonly models: readonly string[]
  readonly maxOutputTokens: number
}

const CREATED_SECONDS = 1_763_596_800

/** Gives the document of `GET /v1/models`. */
export function modelsDocument(seller: Listed): {
  readonly data: readonly Record<string, unknown>[]
} {
  const pricing = { prompt: seller.prices.prompt, completion: seller.prices.completion, image: '0', request: seller.prices.request ?? '0' }
  return {
    data: seller.models.map((id) => ({
      id,
      name: `${seller.id}: ${id}`,
      created: CREATED_SECONDS,
      input_modalities: ['text'],
      output_modalities: ['text'],
      context_length: 131_072,
      max_output_length: seller.maxOutputTokens,
      pricing,
      supported_sampling_parameters: ['max_tokens'],
      supported_features: [],
      is_ready: true,
    })),
  }
}
