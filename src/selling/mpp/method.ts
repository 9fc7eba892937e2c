/** The contract of a method of the Machine Payments Protocol as a seller meets it: how it asks, and what a credential of it is worth. */
import type { Chain as ViemChain, Client, Transport } from 'viem'
import type { Chain } from '../../chain/chain.ts'
import type { AssetRow } from '../../chain/networks.ts'
import type { SaleChannels } from '../../ledger/sale.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { ChargeTerms } from '../charge.ts'
import type { FacilitatorClient } from '../facilitator/pool.ts'
import type { Charging } from '../settlement-matrix.ts'
import type { Quote, Tender } from '../till.ts'
import type { Wanted } from './challenge.ts'
import type { Presented } from './read.ts'

/** What every method may use. */
export type MppDesk = {
  readonly terms: ChargeTerms
  openFacilitator(): Promise<FacilitatorClient>
  readonly chainOf: (network: string) => Chain
  /** Secret; binds challenges to their requests, the same in every process of one ledger. */
  readonly bindingKey: () => Promise<Uint8Array>
  readonly channels: SaleChannels
  readonly clock: Clock
  readonly log: Log
  /** A node of a network of Tempo, with our own key where we have one. */
  clientOf(network: string): Promise<TempoClient>
  /** Whether there is a key of ours that may end a payer's channel; it pays for the transaction. */
  readonly hasKey: boolean
}

export type TempoClient = Client<Transport, ViemChain>

/** A credential with the token that its challenge names. */
export type Taken = {
  readonly presented: Presented
  readonly asset: AssetRow
  /** Unix milliseconds. */
  readonly claimedAt: number
  /** Whether it was claimed by another process, or by this one before. */
  readonly isRevived: boolean
}

export type SellingMethod = {
  /** As `charge.schemes` names it. */
  readonly id: string
  readonly charging: Charging
  /** The token that it is paid in. */
  takes(asset: AssetRow): boolean
  /** Whether it is paid out of a channel that is filled beforehand. */
  readonly isChannel?: true
  /** Whether it needs a key of ours. */
  readonly needsKey?: true
  /** `undefined` where a request cannot be sold so. */
  ask(quote: Quote, asset: AssetRow, desk: MppDesk): Promise<Wanted | undefined>
  /** @throws RouteplaneError `invalid_payment`, or `payment_required` for a credential of another kind than was asked for. */
  take(taken: Taken, desk: MppDesk): Promise<Tender>
  /** Takes what a payer sends beside his requests. @returns what tells him so. */
  tend?(taken: Taken, desk: MppDesk): Promise<Readonly<Record<string, string>>>
  /** Brings home what lies in channels that nobody has used for so long, in milliseconds. @returns how many there were. */
  payOut?(desk: MppDesk, idleMs: number): Promise<number>
  /** Brings home what payers are about to take back. @returns how many there were. */
  watch?(desk: MppDesk): Promise<number>
}
