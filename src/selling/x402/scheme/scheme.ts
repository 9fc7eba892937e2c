/** The contract of an x402 scheme as a seller meets it. */
import type { FacilitatorClient } from '@x402/core/server'
import type { Network, SchemeNetworkServer } from '@x402/core/types'
import type { Charging } from '../../settlement-matrix.ts'
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
  /**
   * Whether the signature of a payload, by itself, is its payer's; `undefined` of a contract's, which a node has to be asked for.
   * Left out where a payment is judged freely.
   */
  isSigned?(payload: Record<string, unknown>, network: string): Promise<boolean | undefined>
  /** What the chain says became of a payment; `undefined` where it cannot tell, or nothing of a single payment is on it. */
  fateOf(chain: Chain, payment: SalePayment, within: Span): Promise<Fate | undefined>
  /** Brings home what has been earned and lies in contracts. @returns how many payers it came from. */
  payOut?(options: SchemeOptions, client: FacilitatorClient, network: Network, token: `0x${string}`): Promise<number>
}

export type SchemeOptions = { readonly payTo: `0x${string}`; readonly channels: SaleChannels }
