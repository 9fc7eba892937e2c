/** One model as served by one provider: wire, price, limits and ways to pay. */
import type { Feature, Modality, SamplingParameter } from '../completion/features.ts'
import type { ProtocolId } from '../protocol/protocol.ts'
import type { Pricing } from './pricing.ts'

/** Payment modes a provider may declare; `payment/` has the code behind each. */
export type PaymentModeName = 'byok' | 'x402' | 'mpp' | 'invoice'

export type Provider = {
  readonly id: string
  readonly name: string
  /** Base URL without a trailing slash; wires append `/chat/completions` and the like. */
  readonly baseUrl: string
  readonly status: 'active' | 'staging' | 'suspended' | 'withdrawn'
  readonly kind: 'first_party' | 'gateway' | 'cloud' | 'third_party' | 'managed'
  /** Where the definition came from: the user's own config outranks the registry. */
  readonly source: 'config' | 'registry'
  readonly access: ProviderAccess
  readonly payment: ProviderPayment
  readonly modelsUrl?: string
  readonly protocols: readonly ProtocolRule[]
  readonly rateLimits: readonly RateLimit[]
  readonly weight: number
  readonly homepage?: string
  readonly support?: string
}

/** How an API key is found and shown. `none` for a source that asks for nothing. */
export type ProviderAccess =
  | { readonly kind: 'none' }
  | { readonly kind: 'api_key'; readonly env: string; readonly header?: string; readonly extraHeaders: Readonly<Record<string, string>> }

/** First match wins: exact glob, then the longest prefix, then `*`. */
export type ProtocolRule = { readonly glob: string; readonly protocols: readonly ProtocolId[] }
export type RateLimit = { readonly glob: string; readonly requestsPerMinute?: number; readonly tokensPerMinute?: number }

export type ProviderPayment = {
  readonly modes: readonly PaymentModeName[]
  readonly x402?: X402Terms
  /** Its schemes are methods with their intents: `evm/charge`. */
  readonly mpp?: X402Terms
  /** `accountHeader` carries our account with the provider, in lower case. */
  readonly invoice?: { readonly termsDays: number; readonly email?: string; readonly accountHeader?: string }
}

/** Whether a provider answers 402 to whoever does not pay for the call itself. */
export function asksToBePaid({ modes }: ProviderPayment): boolean {
  return modes.includes('x402') || modes.includes('mpp')
}

/** What a provider's manifest says of being paid: the only payee, networks and assets we will ever sign for it. */
export type X402Terms = {
  /** EIP-55 checked when the manifest's spelling was mixed case; stored as written by the checksum. */
  readonly payTo?: `0x${string}`
  /** The payee on Solana, in base58. At least one of the two is there. */
  readonly solanaPayTo?: string
  readonly networks: readonly string[]
  readonly assets: readonly string[]
  readonly schemes: readonly string[]
  /** In parts per thousand of our own quote; 1050 is 1.05. */
  readonly maxPriceSlackPermille: bigint
}

export type Endpoint = {
  readonly provider: Provider
  /** The canonical id `maker/name`. */
  readonly modelId: string
  /** The exact id that the provider's API takes. */
  readonly upstreamModel: string
  readonly name: string
  /** When the model was made, in Unix seconds, where the provider says so. */
  readonly created?: number
  readonly protocols: readonly ProtocolId[]
  readonly pricing: Pricing | undefined
  readonly contextLength?: number
  readonly maxOutputTokens?: number
  readonly inputModalities: readonly Modality[]
  readonly outputModalities: readonly Modality[]
  readonly quantization?: string
  /** `undefined` when the provider does not say: unknown is not a no. */
  readonly features: readonly Feature[] | undefined
  readonly samplingParameters: readonly SamplingParameter[] | undefined
  readonly isReady: boolean
  /** `YYYY-MM-DD`, UTC. */
  readonly deprecationDate?: string
}

/** Names an endpoint in logs, health tables and explanations: `provider:upstream model`. */
export function endpointKey(endpoint: Endpoint): string {
  const known = keys.get(endpoint)
  if (known !== undefined) return known
  const key = `${endpoint.provider.id}:${endpoint.upstreamModel}`
  keys.set(endpoint, key)
  return key
}

/** A decision asks for the same keys many times, and a text put together anew costs more each time than all the rest of a look-up. */
const keys = new WeakMap<Endpoint, string>()
