/** The contract of an x402 scheme as a seller meets it. */
import type { FacilitatorClient } from '@x402/core/server'
import type { Network, SchemeNetworkServer } from '@x402/core/types'
import type { Charging } from '../../settlement-matrix.ts'
import type { Log } from '../../../lib/log.ts'
import type { Atomic } from '../../../money.ts'
import type { Signed } from '../read.ts'
import type { SaleChannels, SalePayment } from '../../../ledger/sale.ts'
import type { Chain, Span } from '../../../chain/chain.ts'
import type { Fate } from '../../../chain/confirm.ts'

export type SellingScheme = {
  readonly id: string
  readonly charging: Charging
  /** See `Tender`. */
  readonly isJudgedFreely?: true
  /** Whether x402 v1 has it. */
  readonly inV1: boolean
  /** Whether a payment says where its payer believes his channel to stand: who is wrong about that is told by the next 402. */
  readonly isCorrected?: true
  /** The member of a facilitator's own `extra` without which it cannot settle this scheme for us. */
  readonly needs?: string
  /** Loads the official server half. */
  open(options: SchemeOptions): Promise<SchemeNetworkServer>
  /** Reads the signed part of a payload. @throws RouteplaneError `invalid_payment`. */
  read(payload: Record<string, unknown>): Signed
  /** What the chain says became of a payment; `undefined` where it cannot tell, or nothing of a single payment is on it. */
  fateOf(chain: Chain, payment: SalePayment, within: Span): Promise<Fate | undefined>
  /** How the channel of a payment is kept, where it is taken out of one. */
  readonly channel?: ChannelSide
  /** Stops selling on what payers have put in and a reorganisation has taken back. @param now - Unix milliseconds. */
  watch?(options: PayingOut, network: Network, token: `0x${string}`, now: number): Promise<void>
  /** Brings home what has been earned and lies in contracts. @returns how many payers it came from. */
  payOut?(options: PayingOut, client: FacilitatorClient, network: Network, token: `0x${string}`): Promise<number>
}

export type SchemeOptions = { readonly payTo: `0x${string}`; readonly channels: SaleChannels }

export type PayingOut = SchemeOptions & { readonly chainOf: (network: string) => Chain; readonly log: Log }

/** What the official server of a channel scheme leaves to us. Payloads are those that `read` has taken. */
export type ChannelSide = {
  /** Says why a payload is not signed by its payer, by the signature alone. */
  signatureFault(payload: Record<string, unknown>, network: string): Promise<string | undefined>
  /** Says why a payment that is valid is not sold for all the same. */
  objection(channels: SaleChannels, payload: Record<string, unknown>): Promise<string | undefined>
  /** Frees the channel from what a process was doing for this very payment; only for who has it to himself. */
  takeOver(channels: SaleChannels, payload: Record<string, unknown>): Promise<void>
  /** What was charged for the payment, by whichever process. */
  chargedBefore(channels: SaleChannels, payload: Record<string, unknown>): Promise<Atomic | undefined>
  /** The payment that is left when what fills its channel has been done already; `undefined` where nothing fills it. */
  voucherOf(payload: Record<string, unknown>): Record<string, unknown> | undefined
  /** Seconds for which a request keeps its channel, beyond the time that its offer held. */
  readonly heldLongerSeconds: number
}
