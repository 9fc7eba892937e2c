/** Builds registry, health, wallet, payment, ledger and gateway from a config, and returns the one object surfaces use. */
import type { Completion, Decision, GatewayCall } from './gateway/call.ts'
import type { AttemptRow } from './ledger/entry.ts'
import type { Usd } from './money.ts'
import type { Endpoint } from './registry/endpoint.ts'

export type Routeplane = {
  complete(call: GatewayCall): Promise<Completion>
  explain(call: GatewayCall): Promise<Decision>
  readonly catalog: CatalogView
  readonly receipts: ReceiptView
  readonly presets: PresetView
  /** For `wallet status`, MCP results and `GET /health`. */
  status(): Promise<Status>
  close(): Promise<void>
}

export type CatalogView = {
  /** Models with their endpoints, by canonical id; ready ones only unless asked. */
  models(filter?: { readonly includeHidden?: boolean }): readonly ModelListing[]
  model(id: string): ModelListing | undefined
}

export type ModelListing = {
  readonly id: string
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** Share of counted requests that its best endpoint answered, 0 to 1; `undefined` until measured. */
  readonly uptime?: number
}

export type ReceiptView = {
  list(filter: { readonly limit?: number; readonly before?: string; readonly requestId?: string }): Promise<readonly AttemptRow[]>
  get(id: string): Promise<AttemptRow | undefined>
  /** Reads the chain: transfer and authorization must match the receipt. */
  verify(id: string): Promise<Verification>
}

export type Verification = {
  readonly receiptId: string
  readonly verified: boolean
  /** What was compared, each with its verdict. */
  readonly checks: readonly { readonly check: string; readonly ok: boolean; readonly detail: string }[]
}

export type Preset = {
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
  readonly paymentPrefer?: readonly string[]
}

export type PresetView = {
  list(): readonly Preset[]
  get(name: string): Preset | undefined
  /** Creates or replaces; kept in memory unless `persist`. @throws RouteplaneError `invalid_request`. */
  set(preset: Preset, options: { readonly persist: boolean }): Promise<void>
}

export type Status = {
  readonly version: string
  readonly network: string
  readonly wallet?: WalletStatus
  readonly caps: readonly { readonly scope: string; readonly window: string; readonly capUsd: Usd; readonly availableUsd: Usd }[]
  readonly openAttempts: number
  readonly providers: number
  readonly models: number
}

export type WalletStatus = {
  readonly address: string
  readonly network: string
  readonly asset: string
  /** `undefined` when the chain could not be asked: unknown is not empty. */
  readonly balanceUsd: Usd | undefined
  readonly heldUsd: Usd
}
