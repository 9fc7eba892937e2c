/** One block under `providers:`: where a source is, how it speaks, what it serves and how it is paid. */
import * as z from 'zod'
import { accountStrategies } from '../access/account-pool.ts'
import { isSolanaAddress } from '../chain/solana/address.ts'
import { features, modalities, samplingParameters } from '../completion/features.ts'
import { amount, baseUrl, block, complain, count, flag, line, modelId, ratio, secret } from './fields.ts'
import { hasTwoSolanaPayees, payeesOf } from '../registry/payees.ts'
import { protocolRules } from './protocol-field.ts'

const MAX_MODELS = 2000

/** EVM networks by CAIP-2 id. Which tokens live there, and under which address, is never the config's to say. */
export const caip2 = z.string().regex(/^eip155:[1-9]\d{0,15}$/, 'is not a CAIP-2 id of an EVM network such as "eip155:84532"')

/** Besides those, the networks of Solana. */
export const payableNetwork = z
  .string()
  .regex(/^(?:eip155:[1-9]\d{0,15}|solana:[1-9A-HJ-NP-Za-km-z]{32})$/, 'is not a CAIP-2 id of a network such as "eip155:84532"')

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** Either kind of address, told by its form. */
const payee = z
  .string()
  .refine((text) => ADDRESS.test(text) || isSolanaAddress(text), {
    message: 'is not an address: 0x and 40 hex digits, or 32 bytes in base58',
  })
  .refine((text) => !/^0x0{40}$/.test(text), { message: 'is the zero address: money sent there is lost' })

const solanaPayee = z.string().refine(isSolanaAddress, { message: 'is not an address of Solana: 32 bytes in base58' })

export const paymentModeNames = ['byok', 'x402', 'mpp', 'invoice'] as const
export const schemeNames = ['exact', 'upto', 'batch-settlement'] as const

const accountHeader = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine((text) => /^x-[a-z0-9-]{1,60}$/.test(text) && text !== 'x-payment' && text !== 'x-api-key', {
    message: 'is not a header of its own, such as "x-account-id"',
  })

/** How a provider may be paid; the same block a manifest has. */
export const providerPayment = block({
  modes: z.array(z.enum(paymentModeNames)).min(1).max(paymentModeNames.length),
  x402_address: payee.optional(),
  x402_solana_address: solanaPayee.optional(),
  x402: block({
    networks: z.array(payableNetwork).min(1).max(16).optional(),
    assets: z.array(line(16)).min(1).max(16).optional(),
    schemes: z.array(z.enum(schemeNames)).min(1).optional(),
    max_price_slack: ratio(1, 10).optional(),
    facilitator: baseUrl.optional(),
  }).optional(),
  mpp: block({
    methods: z.array(line(32)).min(1).max(8).optional(),
    intents: z.array(line(32)).min(1).max(8).optional(),
    networks: z.array(caip2).min(1).max(16).optional(),
    assets: z.array(line(16)).min(1).max(16).optional(),
    max_price_slack: ratio(1, 10).optional(),
  }).optional(),
  invoice: block({
    terms_days: count(0, 365).optional(),
    currency: z.literal('USD').optional(),
    email: line(254).optional(),
    account_header: accountHeader.optional(),
  }).optional(),
}).superRefine((payment, context) => {
  const { payTo, solanaPayTo } = payeesOf(payment)
  const unpaid = payment.modes.find(
    (mode) => (mode === 'x402' && payTo === undefined && solanaPayTo === undefined) || (mode === 'mpp' && payTo === undefined),
  )
  if (unpaid !== undefined) {
    complain(context, 'address_required', `${unpaid} needs x402_address: without it no payment would ever be signed`, ['modes'])
  }
  if (hasTwoSolanaPayees(payment))
    complain(context, 'conflict', 'x402_address and x402_solana_address name two payees on Solana: keep one', ['x402_solana_address'])
})

const priceTier = block({
  prompt: amount.optional(),
  completion: amount.optional(),
  input_cache_read: amount.optional(),
  input_cache_write: amount.optional(),
  reasoning: amount.optional(),
  image: amount.optional(),
  request: amount.optional(),
  min_context: count(0, 1_000_000_000).optional(),
})

/** A base tier, or tiers of which each later one prices the whole request from `min_context` input tokens on. */
const tierList = z.array(priceTier).min(1).max(16)
const pricing = z
  .preprocess((value) => (Array.isArray(value) ? value : [value]), tierList)
  .superRefine((tiers, context) => {
    tiers.forEach((tier, index) => {
      const before = tiers[index - 1]
      if (index === 0 && tier.min_context !== undefined && tier.min_context !== 0) {
        complain(context, 'bad_tiers', 'the first tier is the base and has no min_context')
      }
      if (before === undefined) return
      if (tier.min_context === undefined) complain(context, 'bad_tiers', 'every tier after the first needs min_context', [index])
      else if (tier.min_context <= (before.min_context ?? -1))
        complain(context, 'bad_tiers', 'tiers must be in rising order of min_context', [index])
    })
  })

export type PriceTierFields = z.output<typeof priceTier>

const modelRow = block({
  id: modelId,
  provider_model_id: modelId.optional(),
  name: line(200).optional(),
  pricing: pricing.optional(),
  context_length: count(1, 1_000_000_000).optional(),
  max_output_length: count(1, 1_000_000_000).optional(),
  input_modalities: z.array(z.enum(modalities)).min(1).default(['text']),
  output_modalities: z.array(z.enum(modalities)).min(1).default(['text']),
  quantization: z.enum(['int4', 'int8', 'fp4', 'fp6', 'fp8', 'fp16', 'bf16', 'fp32']).optional(),
  supported_features: z.array(z.enum(features)).optional(),
  supported_sampling_parameters: z.array(z.enum(samplingParameters)).optional(),
  is_ready: flag.default(true),
  deprecation_date: z.iso.date('must be a date such as "2027-01-31"').optional(),
})

export type ModelRow = z.output<typeof modelRow>

/** Milliseconds by phase of a call upstream. */
export const timeouts = block({
  connect_ms: count(1, 600_000).optional(),
  first_byte_ms: count(1, 3_600_000).optional(),
  idle_ms: count(1, 3_600_000).optional(),
})

/** Headers that belong to the exchange itself or to payment: the gateway alone writes those. */
const RESERVED =
  /^(?:host|content-length|transfer-encoding|connection|content-type|accept-encoding|payment-signature|payment-authorization|x-payment)$/

const headers = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'is not a header name')
    .transform((name) => name.toLowerCase())
    .refine((name) => !RESERVED.test(name), { message: 'is written by Routeplane itself' }),
  secret,
)

export const providerBlock = block({
  name: line(100).optional(),
  api_base: baseUrl.optional(),
  api_key: secret.optional(),
  accounts: z
    .array(block({ api_key: secret, label: line(64).optional() }))
    .min(1)
    .max(32)
    .optional(),
  account_strategy: z.enum(accountStrategies).default('failover'),
  api_protocol: protocolRules.optional(),
  models: z.array(modelRow).max(MAX_MODELS).default([]),
  models_url: baseUrl.optional(),
  payment: providerPayment.optional(),
  headers: headers.optional(),
  timeouts: timeouts.optional(),
  status: z.enum(['active', 'staging', 'suspended', 'withdrawn']).default('active'),
}).superRefine((provider, context) => {
  if (provider.accounts !== undefined && provider.api_key !== undefined)
    complain(context, 'conflict', 'api_key and accounts are both set: keep one', ['accounts'])
  const seen = new Set<string>()
  provider.models.forEach((model, index) => {
    if (seen.has(model.id)) complain(context, 'duplicate_model', `${model.id} is listed twice`, ['models', index, 'id'])
    seen.add(model.id)
  })
})

export type ProviderBlock = z.output<typeof providerBlock>
