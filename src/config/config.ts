/** The config the rest of the program sees: checked, complete, frozen, with secrets that do not print. */
import type { TransportTimeouts } from '../lib/http-call.ts'
import type { LogLevel, Secret } from '../lib/log.ts'
import type { Usd } from '../money.ts'
import type { ChannelPolicy } from '../payment/channel/offer.ts'
import type { LeavePolicy } from '../payment/scheme/permit2-leave.ts'
import type { Preemptive } from '../payment/standing-offers.ts'
import type { PaymentModeName } from '../registry/endpoint.ts'
import type { ManagedShares } from '../registry/managed-pricing.ts'
import type { ConfiguredProvider } from './configured-provider.ts'
import type { Environment } from './environment.ts'

export type Config = {
  /** The file this was read from; `undefined` when there was none and the environment alone decided. */
  readonly source: string | undefined
  /** Absolute; holds the token, the keystore and the ledger unless the config says otherwise. */
  readonly stateDirectory: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly skipAuth: boolean
  /** Absent: with `skipAuth` false the surface makes a token file of its own. */
  readonly authToken?: Secret
  readonly providers: readonly ConfiguredProvider[]
  readonly virtualModels: readonly VirtualModel[]
  readonly presets: readonly ConfiguredPreset[]
  readonly routing: {
    readonly maxAttempts: number
    readonly deadlineMs?: number
    readonly weights?: Readonly<Record<'cost' | 'latency' | 'throughput' | 'uptime', number>>
    /** Share of requests in 0…1 that may go to the least-measured endpoint. */
    readonly explorationShare: number
    /** Whether staying with who has read a conversation counts, at what its prompt cache may save. */
    readonly sticky: boolean
    /** Whether an output limit is lowered to what the cap buys, unless the request or its preset says otherwise. */
    readonly clampToBudget: boolean
    /** Whether a translated answer that breaks its schema is asked for once more, unless the request says otherwise. */
    readonly retrySchema: boolean
  }
  /** What managed supply of open models costs of the official price; by caller only under `:discount`. */
  readonly managed: ManagedShares & { readonly accounts: ReadonlyMap<string, bigint> }
  readonly budget: Budget
  readonly payment: {
    readonly prefer: readonly PaymentModeName[]
    /** Our account with each provider that takes invoices, by its id. */
    readonly accounts: Readonly<Record<string, Secret>>
    readonly onUnknown: 'wait' | 'fail' | 'allow_double'
    /** When a call is paid with its first send. */
    readonly preemptive: Preemptive
    /** Whether Permit2 is given leave for a payment where the offer takes it. */
    readonly leaves: LeavePolicy
    /** Which schemes may pay, most preferred first; without it every one, cheapest first. */
    readonly schemes?: readonly string[]
    readonly channels: ChannelPolicy
  }
  readonly wallet: WalletConfig
  /** Present when callers without a key are charged per call. */
  readonly charge?: ChargeConfig
  readonly registry: { readonly path?: string; readonly url?: string; readonly pollSeconds: number; readonly hideDeprecated: boolean }
  readonly ledger: { readonly path: string }
  readonly upstream: { readonly allowLoopback: boolean; readonly timeouts: Partial<TransportTimeouts> }
  readonly log: { readonly level: LogLevel }
  /** For keys of registry providers, which are looked up by the name their manifest gives. */
  readonly environment: Environment
}

/** Caps over time in US dollars; only those that were written. */
export type RollingCaps = {
  readonly perHourUsd?: Usd
  readonly perDayUsd?: Usd
  readonly perMonthUsd?: Usd
  readonly totalUsd?: Usd
}

/** Caps of one provider or key, which hold beside everybody's. */
export type OwnCaps = RollingCaps & { readonly perRequestUsd?: Usd }

/** US dollars. The request's and the day's cap always hold. */
export type Budget = RollingCaps & {
  readonly perRequestUsd: Usd
  readonly perDayUsd: Usd
  /** A call that may cost more is made only when somebody has said yes to it. */
  readonly approveAboveUsd?: Usd
  readonly providers: Readonly<Record<string, OwnCaps>>
  readonly keys: Readonly<Record<string, OwnCaps>>
}

export type WalletConfig = {
  readonly network: 'testnet' | 'mainnet'
  /** CAIP-2 ids of the networks it pays on, its own first; those of `network` when absent. */
  readonly networks?: readonly string[]
  /** Absolute. */
  readonly keystore: string
  /** A JSON-RPC endpoint that signs for an address. */
  readonly signer?: { readonly url: Secret; readonly address: `0x${string}` }
  /** The raw private key, when `key_env` names a variable that is set. */
  readonly key?: Secret
  /** The key that pays on Solana; `keystore` is absolute, and need not exist. */
  readonly solana: { readonly keystore: string; readonly key?: Secret }
  readonly password?: Secret
  /** Absolute. */
  readonly passwordFile?: string
  /** By CAIP-2 id; secret because RPC providers put keys into their URLs. */
  readonly rpc: Readonly<Record<string, Secret>>
}

export type ChargeConfig = {
  /** Share added to our own cost; 0.05 is five per cent, in units of 10⁻¹⁸ as amounts are. */
  readonly margin: Usd
  /** US dollars a request, by model. */
  readonly prices: ReadonlyMap<string, Usd>
  /** The wallet's own address unless said otherwise. */
  readonly payTo?: `0x${string}`
  /** The wallet's own network unless said otherwise. */
  readonly networks?: readonly string[]
  readonly schemes: readonly string[]
  readonly facilitator: { readonly key?: Secret; readonly urls: readonly string[] }
}

export type VirtualModel = {
  readonly name: string
  readonly strategy: 'priority' | 'balanced'
  readonly endpoints: readonly { readonly provider: string; readonly model: string }[]
}

/** The same fields as the facade's `Preset`. */
export type ConfiguredPreset = {
  readonly name: string
  readonly model?: string
  readonly models?: readonly string[]
  readonly systemPrompt?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly routing?: {
    readonly sort?: string
    readonly only?: readonly string[]
    readonly ignore?: readonly string[]
    readonly order?: readonly string[]
  }
  readonly maxCostUsd?: Usd
  readonly clampToBudget?: boolean
  readonly budget?: RollingCaps
  readonly paymentPrefer?: readonly string[]
}
