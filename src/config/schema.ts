/** `routeplane.yaml`, strictly: every key it may have, and every default there is. */
import * as z from 'zod'
import { findNetwork } from '../chain/networks.ts'
import { leavePolicies } from '../payment/scheme/permit2-leave.ts'
import { preemptiveChoices } from '../payment/standing-offers.ts'
import {
  amount,
  baseUrl,
  block,
  complain,
  count,
  flag,
  isLoopbackHost,
  keyId,
  line,
  modelId,
  providerId,
  ratio,
  rollingCaps,
  secret,
} from './fields.ts'
import { presetMap } from './preset-schema.ts'
import { mppSchemes } from '../registry/mpp-terms.ts'
import { caip2, payableNetwork, paymentModeNames, providerBlock, schemeNames, timeouts } from './provider-schema.ts'

export const DEFAULT_PORT = 4356

const host = z
  .string()
  .max(253)
  .regex(/^(?:[A-Za-z0-9.-]+|\[?[0-9A-Fa-f:]+\]?)$/, 'is not a host name or an address')
const listenBlock = block({ host: host.default('127.0.0.1'), port: count(0, 65535).default(DEFAULT_PORT) })

/** `host: … , port: …`, or both in one text. */
const listen = z.preprocess((value) => (typeof value === 'string' ? splitListen(value) : value), listenBlock)

function splitListen(text: string): unknown {
  const match = /^(.*):([^:\]]*)$/.exec(text)
  return match === null ? { host: text } : { host: match[1], port: match[2] }
}

const virtualModel = block({
  strategy: z.enum(['priority', 'balanced']).default('priority'),
  endpoints: z
    .array(block({ provider: providerId, model: modelId }))
    .min(1)
    .max(32),
})

/** Shares of each axis in the balanced order; all four, so that nobody has to guess what the others became. */
const weights = block({ cost: ratio(0, 1000), latency: ratio(0, 1000), throughput: ratio(0, 1000), uptime: ratio(0, 1000) }).refine(
  (each) => each.cost + each.latency + each.throughput + each.uptime > 0,
  { message: 'at least one weight must be above 0' },
)

const routing = block({
  max_attempts: count(1, 32).default(6),
  deadline_ms: count(1, 86_400_000).optional(),
  weights: weights.optional(),
  exploration_share: ratio(0, 1).default(0.02),
  sticky: flag.default(false),
  clamp_to_budget: flag.default(false),
  retry_schema: flag.default(false),
})

/** Caps of one provider or one key, beside everybody's. */
const ownCaps = block({ per_request_usd: amount.optional(), ...rollingCaps })

/** Caps in US dollars. There is no word for "unlimited": leaving a cap out leaves its default. */
const budget = block({
  ...rollingCaps,
  per_request_usd: amount.prefault('0.50'),
  per_day_usd: amount.prefault('5'),
  approve_above_usd: amount.optional(),
  providers: z.record(providerId, ownCaps).default({}),
  keys: z.record(keyId, ownCaps).default({}),
})

const payment = block({
  prefer: z.array(z.enum(paymentModeNames)).min(1).default(['byok', 'x402', 'mpp', 'invoice']),
  accounts: z.record(providerId, secret).default({}),
  on_unknown: z.enum(['wait', 'fail', 'allow_double']).default('fail'),
  preemptive: z.enum(preemptiveChoices).default('when_alone'),
  permit2_leave: z.enum(leavePolicies).default('exact'),
  schemes: z
    .array(z.enum([...schemeNames, ...mppSchemes]))
    .min(1)
    .optional(),
  channels: block({
    max_deposit_usd: amount.prefault('0.50'),
    per_provider: count(1, 64).default(4),
    max_withdraw_delay_seconds: count(900, 2_592_000).default(86_400),
  }).prefault({}),
})

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'is not the name of an environment variable')

const accountAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address: 0x and 40 hex digits')
  .transform((text) => text as `0x${string}`)

const wallet = block({
  network: z.enum(['testnet', 'mainnet']).default('testnet'),
  networks: z.array(payableNetwork).min(1).max(32).optional(),
  keystore: line(4096).optional(),
  key_env: variableName.optional(),
  signer: block({ url: baseUrlWithQuery(), address: accountAddress }).optional(),
  password_env: variableName.default('ROUTEPLANE_WALLET_PASSWORD'),
  password_file: line(4096).optional(),
  rpc: z.record(payableNetwork, baseUrlWithQuery()).default({}),
  solana: block({ keystore: line(4096).optional(), key_env: variableName.optional() }).prefault({}),
}).superRefine((fields, context) => {
  if (fields.key_env !== undefined && fields.signer !== undefined)
    complain(context, 'conflict', 'key_env and signer are both set: keep one', ['signer'])
  fields.networks?.forEach((id, index) => {
    const problem = networkProblem(id, fields.network)
    if (problem !== undefined) complain(context, ...problem, ['networks', index])
    else if (fields.networks?.indexOf(id) !== index) complain(context, 'duplicate_network', `${id} is listed twice`, ['networks', index])
  })
})

/** Real money is opened by `network: mainnet` alone: a list that names it by mistake opens nothing. */
function networkProblem(id: string, side: 'testnet' | 'mainnet'): readonly [code: string, message: string] | undefined {
  const row = findNetwork(id)
  if (row === undefined) return ['unknown_network', `${id} is not a network we know a token on`]
  if (row.testnet || side === 'mainnet') return undefined
  return ['mainnet_not_open', `${row.chainName} (${id}) is real money, which needs wallet.network: mainnet`]
}

/** RPC providers put keys into paths and queries, so the whole URL is a secret. */
function baseUrlWithQuery() {
  return z
    .string()
    .refine((text) => baseUrl.safeParse(text.split('?')[0]).success, { message: 'is not an https URL, or an http one on loopback' })
    .pipe(secret)
}

/** Schemes that callers may pay by; the order is the order of the offers. */
const sellingSchemeNames = ['batch-settlement', 'upto', 'exact', 'evm/charge', 'tempo/session', 'tempo/charge'] as const

const evmAddress = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address of 0x and 40 hex digits')

/** Selling to callers without a key. Its presence turns it on. */
const charge = block({
  margin: amount.prefault('0.05'),
  prices: z.record(modelId, amount).default({}),
  pay_to: evmAddress.optional(),
  networks: z.array(caip2).min(1).max(4).optional(),
  schemes: z
    .array(z.enum(sellingSchemeNames))
    .min(1)
    .default([...sellingSchemeNames]),
  facilitator: block({ key_env: variableName.optional(), urls: z.array(baseUrl).max(8).default([]) }).prefault({}),
}).refine(({ facilitator }) => facilitator.key_env !== undefined || facilitator.urls.length > 0, {
  message: 'needs a facilitator: key_env of a key that pays for gas, or urls of remote ones',
  path: ['facilitator'],
})

const registry = block({
  path: line(4096).optional(),
  url: baseUrl.optional(),
  poll_seconds: count(5, 86_400).default(60),
  hide_deprecated: flag.default(true),
})

/** Shares of the official price that managed supply of open models costs. */
const managed = block({
  discounts: block({
    default: ratio(0, 1).default(0.75),
    models: z.record(modelId, ratio(0, 1)).default({}),
    accounts: z.record(line(64), ratio(0, 1)).default({}),
  }).prefault({}),
})

export const configSchema = block({
  listen: listen.prefault({}),
  skip_auth: flag.default(false),
  auth_token: secret.optional(),
  providers: z
    .record(
      providerId,
      z.preprocess((value) => value ?? {}, providerBlock),
    )
    .default({}),
  models: z.record(modelId, virtualModel).default({}),
  presets: presetMap.default({}),
  routing: routing.prefault({}),
  managed: managed.prefault({}),
  budget: budget.prefault({}),
  payment: payment.prefault({}),
  wallet: wallet.prefault({}),
  charge: charge.optional(),
  registry: registry.prefault({}),
  ledger: block({ path: line(4096).optional() }).prefault({}),
  upstream: block({ allow_loopback: flag.default(false), timeouts: timeouts.prefault({}) }).prefault({}),
  log: block({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
}).superRefine((config, context) => {
  if (config.skip_auth && !isLoopbackHost(config.listen.host)) {
    complain(
      context,
      'public_without_token',
      `skip_auth is for loopback only: on ${config.listen.host} anybody could spend from the wallet`,
      ['skip_auth'],
    )
  }
  if (config.skip_auth && config.charge !== undefined) {
    complain(context, 'conflict', 'charge needs callers to be told apart by their tokens: remove skip_auth', ['skip_auth'])
  }
  if (config.skip_auth && config.auth_token !== undefined) {
    complain(context, 'conflict', 'skip_auth is on and auth_token is set: keep one', ['skip_auth'])
  }
})

/** A config as written, checked and with its defaults, in the file's own spelling. */
export type ConfigFields = z.output<typeof configSchema>
