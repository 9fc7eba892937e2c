/** The contract of a proof: how the outcome of one kind of signature is established, and which transfer on chain it made. */
import type { Chain, Span } from '../../chain/chain.ts'
import { RouteplaneError } from '../../errors.ts'
import type { AttemptPayment } from '../../ledger/entry.ts'
import type { Ending, Ledger } from '../../ledger/ledger.ts'
import type { SolanaSide } from '../../wallet/solana/open.ts'
import { MAX_VALIDITY_SECONDS } from '../../wallet/policy-rules.ts'

/** `open`: nothing is proven yet; ask again after `retryAfterMs`. */
export type Evidence =
  | (Ending & {
      /** The transaction has failed: what it cost is the network's fee, and nobody was paid. */
      readonly isFeeAlone?: true
    })
  | {
      readonly state: 'open'
      readonly reason: string
      readonly retryAfterMs: number
      /** The chain itself has shown that nothing was cashed up to now: a settlement that was seen before has been taken back. */
      readonly isUnused?: true
    }

/** Where evidence comes from. */
export type ProofSources = {
  readonly ledger: Ledger
  chainOf(network: string): Chain
  readonly solana?: Pick<SolanaSide, 'chainOf'>
  /** Milliseconds since the epoch, for the ending's row. */
  readonly now: number
  /** Where the seller says the transfer is: looked at first, believed never. */
  readonly claimed?: string
}

/** Nothing becomes `settled`, and nothing leaves `unknown`, but by a proof. */
export type Proof = {
  /** As the attempt's row names it. */
  readonly id: string
  /** Whether less than what was authorized may be charged: then any amount up to it is right. */
  readonly mayChargeLess: boolean
  /** Whether the transaction is the wallet's own: its hash is in the row before its block, and leads to it wherever that is. */
  readonly ownsTransaction?: true
  /**
   * Reads what became of a signature. A source that cannot be asked proves nothing: that is `open`, never an ending.
   */
  gather(payment: AttemptPayment, sources: ProofSources): Promise<Evidence>
  /**
   * Names the transfer that a settled payment made, to lay it beside the chain's own: a nonce where the token logs it, else
   * {@link placeKey}. The first that the chain has counts; none for a payment that moves money with others, later.
   */
  transferKeys(payment: AttemptPayment): readonly string[]
  /** What was looked up on chain by payer and payee, for whoever verifies a receipt. */
  describe(payment: AttemptPayment): { readonly payer: string; readonly payee: string }
}

/** Names a transfer by its place, where no log ties it to a nonce. */
export function placeKey(transaction: string, logIndex: number): string {
  return `${transaction.toLowerCase()} ${logIndex}`
}

/** The place of a payment's transfer, once it is known. */
export function placeKeys({ transaction, logIndex }: AttemptPayment): readonly string[] {
  return transaction === undefined || logIndex === undefined ? [] : [placeKey(transaction, logIndex)]
}

/** Room for a clock of ours that is wrong. */
const ROOM_SECONDS = 3_600n

/** When a signature can have been used, by the chain's clock: a process that comes back after weeks finds it nowhere else. */
export function spanOf({ validBeforeSeconds }: Pick<AttemptPayment, 'validBeforeSeconds'>): Span {
  return { sinceSeconds: validBeforeSeconds - MAX_VALIDITY_SECONDS - ROOM_SECONDS, untilSeconds: validBeforeSeconds + 1n }
}

type Hex = `0x${string}`
/** A payment on an EVM network, whose addresses and transactions are hexadecimal. */
export type EvmPayment = Omit<AttemptPayment, 'asset' | 'payer' | 'payee' | 'transaction'> & {
  readonly asset: Hex
  readonly payer: Hex
  readonly payee: Hex
  readonly transaction?: Hex
}

/** @throws RouteplaneError `internal` for a payment on another kind of network: its proof is not one of these. */
export function onEvm(payment: AttemptPayment): EvmPayment {
  const { asset, payer, payee, transaction = '0x' } = payment
  if ([asset, payer, payee, transaction].every(isHex)) return payment as EvmPayment
  throw new RouteplaneError('internal', `a payment on ${payment.network} cannot be proven by ${JSON.stringify(payment.proof)}`)
}

/** Whether a seller's claim can be a transaction of an EVM network. */
export function isHex(text: string | undefined): text is Hex {
  return text?.startsWith('0x') === true
}

/** About a block of the chains we pay on. */
export const NEXT_BLOCK_MS = 2_000
/** Before a node that failed is asked again. */
export const NODE_DOWN_MS = 5_000
