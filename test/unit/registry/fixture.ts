/** Makes providers, rows and endpoints for tests, with only what a test is about written out. */
import type { Needs } from '../../../src/completion/features.ts'
import { parseUsd } from '../../../src/money.ts'
import type { Endpoint, Provider } from '../../../src/registry/endpoint.ts'
import { createEndpoint, type ModelRow, type ProviderDefinition } from '../../../src/registry/model-row.ts'
import type { Pricing } from '../../../src/registry/pricing.ts'

export const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'

export function provider(id: string, more: Partial<Provider> = {}): Provider {
  return {
    id,
    name: id,
    baseUrl: `https://${id}.dev/v1`,
    status: 'active',
    kind: 'third_party',
    source: 'registry',
    access: { kind: 'api_key', env: 'SOME_API_KEY', extraHeaders: {} },
    payment: { modes: ['byok'] },
    protocols: [{ glob: '*', protocols: ['chat_completions'] }],
    rateLimits: [],
    weight: 1,
    ...more,
  }
}

/** The same price in and out of every request. */
export function flatPricing(prompt: string, completion: string = prompt): Pricing {
  const silent = { cacheRead: undefined, cacheWrite: undefined, reasoning: undefined, image: undefined, request: undefined }
  return { tiers: [{ fromInputTokens: 0, ...silent, prompt: parseUsd(prompt), completion: parseUsd(completion) }] }
}

export function row(upstreamModel: string, more: Partial<ModelRow> = {}): ModelRow {
  return { upstreamModel, pricing: flatPricing('0.000001'), maxOutputTokens: 1000, contextLength: 100_000, ...more }
}

export function definition(id: string, models: readonly (string | ModelRow)[], more: Partial<Provider> = {}): ProviderDefinition {
  return { provider: provider(id, more), models: models.map((model) => (typeof model === 'string' ? row(model) : model)) }
}

export function endpoint(providerId: string, model: string, more: Partial<ModelRow> = {}, ofProvider: Partial<Provider> = {}): Endpoint {
  return createEndpoint(provider(providerId, ofProvider), row(model, more), more.canonicalId ?? model, undefined)
}

export function needs(more: Partial<Needs> = {}): Needs {
  return {
    features: [],
    samplingParameters: [],
    inputModalities: ['text'],
    outputModalities: ['text'],
    maxInputTokens: 1000,
    expectedInputTokens: 250,
    maxOutputTokens: 100,
    images: 0,
    candidates: 1,
    stream: false,
    ...more,
  }
}
