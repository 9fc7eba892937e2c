/** Turns a block under `providers:` into the registry's own idea of a provider, with its key beside it. */
import type { Account, AccountStrategy } from '../access/account-pool.ts'
import { defaultSolanaNetwork } from '../chain/networks.ts'
import { defined } from '../lib/defined.ts'
import type { Feature, Modality, SamplingParameter } from '../completion/features.ts'
import type { TransportTimeouts } from '../lib/http-call.ts'
import { Secret } from '../lib/log.ts'
import type { Provider, ProviderAccess, ProviderPayment, X402Terms } from '../registry/endpoint.ts'
import type { Quantization } from '../registry/model-row.ts'
import { defaultNetworks, payeesOf } from '../registry/payees.ts'
import { mppTermsOf } from '../registry/mpp-terms.ts'
import type { PriceTier, Pricing } from '../registry/pricing.ts'
import type { Environment } from './environment.ts'
import { isLoopbackHost } from './fields.ts'
import { knownProvider } from './known-providers.ts'
import { schemeNames, type ModelRow, type PriceTierFields, type ProviderBlock } from './provider-schema.ts'

/** A provider of the user's own, and what only his config can say about it. */
export type ConfiguredProvider = {
  readonly provider: Provider
  /** From the block, else from the variable in `provider.access`. */
  readonly apiKey?: Secret
  /** Several keys of the user's with this provider, the first of them also `apiKey`. */
  readonly accounts?: readonly Account[]
  readonly accountStrategy: AccountStrategy
  /** Sent with every call; lower-case names. Secrets, since they may hold keys. */
  readonly headers: Readonly<Record<string, Secret>>
  readonly timeouts: Partial<TransportTimeouts>
  readonly models: readonly ConfiguredModel[]
  /** Neither models nor a models document is given: whatever id is pinned to this provider is passed on as it is. */
  readonly passesAnyModel: boolean
  /** Its base URL is this very machine: the user asked for that, so the private-address check must let it pass. */
  readonly isLoopback: boolean
}

/** An endpoint without its provider. */
export type ConfiguredModel = {
  readonly modelId: string
  readonly upstreamModel: string
  readonly name: string
  readonly pricing: Pricing | undefined
  readonly contextLength?: number
  readonly maxOutputTokens?: number
  readonly inputModalities: readonly Modality[]
  readonly outputModalities: readonly Modality[]
  readonly quantization?: Quantization
  readonly features: readonly Feature[] | undefined
  readonly samplingParameters: readonly SamplingParameter[] | undefined
  readonly isReady: boolean
  readonly deprecationDate?: string
}

/** The networks to which a provider's silence is read, by the wallet's own side. */
const DEFAULT_NETWORK = { testnet: 'eip155:84532', mainnet: 'eip155:8453' } as const

/** The variable a provider's key is looked for when the block has none: `my-gpu` → `MY_GPU_API_KEY`. */
export function keyVariable(id: string): string {
  return knownProvider(id)?.env ?? `${id.toUpperCase().replaceAll('-', '_')}_API_KEY`
}

/** @returns `undefined` when neither the block nor the list of known providers says where the source is. */
export function configureProvider(
  id: string,
  fields: ProviderBlock,
  walletNetwork: 'testnet' | 'mainnet',
  environment: Environment,
): ConfiguredProvider | undefined {
  const known = knownProvider(id)
  const baseUrl = fields.api_base ?? known?.baseUrl
  if (baseUrl === undefined) return undefined
  const isLoopback = isLoopbackHost(new URL(baseUrl).hostname)
  const { apiKey, accounts } = keysOf(id, fields, environment)
  const provider: Provider = {
    id,
    name: fields.name ?? known?.name ?? id,
    baseUrl,
    status: fields.status,
    kind: known === undefined || id === 'openrouter' ? 'third_party' : 'first_party',
    source: 'config',
    access: accessOf(id, fields, apiKey, isLoopback),
    payment: paymentOf(fields, walletNetwork),
    ...defined({ modelsUrl: fields.models_url }),
    protocols: fields.api_protocol ?? [{ glob: '*', protocols: known?.protocols ?? ['chat_completions'] }],
    rateLimits: [],
    weight: 1,
  }
  return {
    provider,
    ...defined({ apiKey, accounts }),
    accountStrategy: fields.account_strategy,
    headers: fields.headers ?? {},
    timeouts: timeoutsOf(fields.timeouts),
    models: fields.models.map(toModel),
    passesAnyModel: fields.models.length === 0 && fields.models_url === undefined,
    isLoopback,
  }
}

type Keys = Pick<ConfiguredProvider, 'apiKey' | 'accounts'>

function keysOf(id: string, fields: ProviderBlock, environment: Environment): Keys {
  const [first, ...more] = fields.accounts ?? []
  if (first !== undefined) {
    const accounts = [first, ...more].map(({ api_key: key, label }, at) => ({ key, label: label ?? `account ${at + 1}` }))
    return { apiKey: first.api_key, accounts }
  }
  if (fields.api_key !== undefined) return { apiKey: fields.api_key }
  // A known provider's variable holds the key for its own address: it must not travel to another one.
  const known = knownProvider(id)
  const mayUseVariable = fields.api_base === undefined || known === undefined || fields.api_base === known.baseUrl
  const fromEnvironment = mayUseVariable ? environment.get(keyVariable(id)) : undefined
  return fromEnvironment === undefined ? {} : { apiKey: new Secret(fromEnvironment) }
}

function accessOf(id: string, fields: ProviderBlock, apiKey: Secret | undefined, isLoopback: boolean): ProviderAccess {
  const withoutKey = isLoopback || (fields.payment !== undefined && !fields.payment.modes.includes('byok'))
  if (apiKey === undefined && withoutKey) return { kind: 'none' }
  return { kind: 'api_key', env: keyVariable(id), extraHeaders: {} }
}

function paymentOf(fields: ProviderBlock, walletNetwork: 'testnet' | 'mainnet'): ProviderPayment {
  const { payment } = fields
  if (payment === undefined) return { modes: ['byok'] }
  const { x402: terms, mpp, invoice } = payment
  const payees = payeesOf(payment)
  const { payTo, solanaPayTo } = payees
  const takesMpp = mpp !== undefined || payment.modes.includes('mpp')
  const x402: X402Terms | undefined =
    payTo === undefined && solanaPayTo === undefined
      ? undefined
      : {
          ...payees,
          networks: terms?.networks ?? defaultNetworks(payees, [DEFAULT_NETWORK[walletNetwork]], [defaultSolanaNetwork(walletNetwork)]),
          assets: terms?.assets ?? ['USDC'],
          schemes: terms?.schemes ?? schemeNames,
          maxPriceSlackPermille: slackOf(terms?.max_price_slack),
        }
  return {
    modes: payment.modes,
    ...(x402 === undefined ? {} : { x402 }),
    ...(takesMpp && payTo !== undefined ? { mpp: mppTermsOf(mpp ?? {}, payTo, slackOf(mpp?.max_price_slack)) } : {}),
    ...(payment.modes.includes('invoice') ? { invoice: invoiceTermsOf(invoice) } : {}),
  }
}

function slackOf(ratio: number | undefined): bigint {
  return BigInt(Math.round((ratio ?? 1.05) * 1000))
}

function invoiceTermsOf(fields: NonNullable<ProviderBlock['payment']>['invoice']): NonNullable<ProviderPayment['invoice']> {
  const { terms_days: termsDays = 30, email, account_header: accountHeader } = fields ?? {}
  return { termsDays, ...(email === undefined ? {} : { email }), ...(accountHeader === undefined ? {} : { accountHeader }) }
}

/** Milliseconds by phase; what is not written is left to the gateway. */
export function timeoutsOf(fields: ProviderBlock['timeouts']): Partial<TransportTimeouts> {
  return {
    ...(fields?.connect_ms === undefined ? {} : { connectMs: fields.connect_ms }),
    ...(fields?.first_byte_ms === undefined ? {} : { firstByteMs: fields.first_byte_ms }),
    ...(fields?.idle_ms === undefined ? {} : { idleMs: fields.idle_ms }),
  }
}

function toModel(row: ModelRow): ConfiguredModel {
  return {
    modelId: row.id,
    upstreamModel: row.provider_model_id ?? row.id,
    name: row.name ?? row.id,
    pricing: pricingOf(row.pricing),
    ...(row.context_length === undefined ? {} : { contextLength: row.context_length }),
    ...(row.max_output_length === undefined ? {} : { maxOutputTokens: row.max_output_length }),
    inputModalities: row.input_modalities,
    outputModalities: row.output_modalities,
    ...(row.quantization === undefined ? {} : { quantization: row.quantization }),
    features: row.supported_features,
    samplingParameters: row.supported_sampling_parameters,
    isReady: row.is_ready,
    ...(row.deprecation_date === undefined ? {} : { deprecationDate: row.deprecation_date }),
  }
}

function pricingOf(tiers: readonly PriceTierFields[] | undefined): Pricing | undefined {
  const [first, ...rest] = (tiers ?? []).map((tier): PriceTier => ({
    fromInputTokens: tier.min_context ?? 0,
    prompt: tier.prompt,
    completion: tier.completion,
    cacheRead: tier.input_cache_read,
    cacheWrite: tier.input_cache_write,
    reasoning: tier.reasoning,
    image: tier.image,
    request: tier.request,
  }))
  return first === undefined ? undefined : { tiers: [first, ...rest] }
}
