/** One model as a manifest or a models document states it, before it is joined with its provider into an endpoint. */
import type { Feature, Modality, SamplingParameter } from '../completion/features.ts'
import { defined } from '../lib/defined.ts'
import type { ProtocolId } from '../protocol/protocol.ts'
import type { CanonicalModel } from './canonical.ts'
import type { Endpoint, Provider } from './endpoint.ts'
import type { Pricing } from './pricing.ts'
import { protocolsFor } from './protocol-name.ts'

export const quantizations = ['int4', 'int8', 'fp4', 'fp6', 'fp8', 'fp16', 'bf16', 'fp32'] as const
export type Quantization = (typeof quantizations)[number]

/** `undefined` wherever the source is silent. */
export type ModelRow = {
  /** The exact id that the provider's API takes. */
  readonly upstreamModel: string
  /** The canonical id, where the row itself names it. */
  readonly canonicalId?: string | undefined
  readonly name?: string | undefined
  /** When the model was made, in Unix seconds. */
  readonly created?: number | undefined
  readonly protocols?: readonly ProtocolId[] | undefined
  readonly pricing?: Pricing | undefined
  readonly contextLength?: number | undefined
  readonly maxOutputTokens?: number | undefined
  readonly inputModalities?: readonly Modality[] | undefined
  readonly outputModalities?: readonly Modality[] | undefined
  readonly quantization?: Quantization | undefined
  readonly features?: readonly Feature[] | undefined
  readonly samplingParameters?: readonly SamplingParameter[] | undefined
  readonly isReady?: boolean | undefined
  /** `YYYY-MM-DD`, UTC. */
  readonly deprecationDate?: string | undefined
}

/** A provider with the models its own file lists. */
export type ProviderDefinition = { readonly provider: Provider; readonly models: readonly ModelRow[] }

const ALL_INPUTS: readonly Modality[] = ['text', 'image', 'audio', 'video', 'file']
const TEXT_ONLY: readonly Modality[] = ['text']

/** Lays a second statement about the same model over a first: what it says counts, where it is silent the first stays. */
export function overlayRow(base: ModelRow, over: ModelRow): ModelRow {
  return { ...base, ...defined(over) }
}

/**
 * Joins a row with its provider and, where the provider is silent, with what is generally known of the model.
 *
 * When nobody says which inputs a model takes, a provider of the user's own config is given the benefit of the doubt; one
 * from the registry, where the field belongs in the document, is taken at its word: text.
 */
export function createEndpoint(provider: Provider, row: ModelRow, modelId: string, canonical: CanonicalModel | undefined): Endpoint {
  return {
    provider,
    modelId,
    upstreamModel: row.upstreamModel,
    name: row.name ?? canonical?.name ?? modelId,
    protocols: row.protocols ?? protocolsFor(provider.protocols, row.upstreamModel),
    pricing: row.pricing,
    ...modalitiesOf(provider, row, canonical),
    features: row.features,
    samplingParameters: row.samplingParameters,
    isReady: row.isReady ?? true,
    ...defined({
      created: row.created,
      contextLength: row.contextLength ?? canonical?.maxInputTokens,
      maxOutputTokens: row.maxOutputTokens ?? canonical?.maxOutputTokens,
      quantization: row.quantization,
      deprecationDate: row.deprecationDate,
    }),
  }
}

function modalitiesOf(provider: Provider, row: ModelRow, canonical: CanonicalModel | undefined) {
  const unstatedInputs = provider.source === 'config' ? ALL_INPUTS : TEXT_ONLY
  return {
    inputModalities: row.inputModalities ?? canonical?.inputModalities ?? unstatedInputs,
    outputModalities: row.outputModalities ?? canonical?.outputModalities ?? TEXT_ONLY,
  }
}
