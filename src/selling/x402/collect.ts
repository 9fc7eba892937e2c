/** Settles one x402 payment and, wherever the facilitator leaves it open, asks the chain. */
import type { SettleResponse } from '@x402/core/types'
import type { Chain, Span } from '../../chain/chain.ts'
import { toRouteplaneError } from '../../errors.ts'
import type { SalePayment } from '../../ledger/sale.ts'
import type { Atomic } from '../../money.ts'
import type { Standing } from '../till.ts'
import type { SellingScheme } from './scheme/scheme.ts'

export type Collecting = {
  readonly scheme: SellingScheme
  readonly payment: SalePayment
  readonly amount: Atomic
  /** Unix milliseconds: nothing was settled before. */
  readonly claimedAt: number
  readonly chainOf: (network: string) => Chain
  /** What was charged for it before, where our own ledger knows that and no chain. */
  chargedBefore?(): Promise<Atomic | undefined>
  /** Asks the facilitator. */
  settle(): Promise<SettleResponse>
}

export type Collected =
  /** `amount` is what moved, in base units: of a metered payment whose settlement was lost, the chain knows best. */
  | { readonly state: 'settled'; readonly amount: Atomic; readonly receipt: SettleResponse }
  | { readonly state: 'refused' | 'unknown'; readonly reason: string }

/** What an earlier attempt may have done comes first: the chain knows, and asking it costs nothing. */
export async function collectAgain(collecting: Collecting): Promise<Collected> {
  const seen = await readFate(collecting)
  if (seen !== 'open') return seen
  const collected = await collect(collecting)
  // It may have been settled long ago, and the node that we ask not know of it: that it never can be any more, only the chain says.
  const isDoubtful = collected.state === 'refused' && !collected.reason.startsWith(BY_CHAIN) && (await isOnChain(collecting))
  return isDoubtful ? { state: 'unknown', reason: collected.reason } : collected
}

/** Whether the chain has the last word about a payment: of vouchers it knows nothing. */
async function isOnChain({ scheme, payment, claimedAt, chainOf }: Collecting): Promise<boolean> {
  return (await scheme.fateOf(chainOf(payment.network), payment, spanOf(payment, claimedAt)).catch(() => undefined)) !== undefined
}

/** What is refused because the chain says so. */
const BY_CHAIN = 'authorization_'

export async function collect(collecting: Collecting): Promise<Collected> {
  let answer: SettleResponse
  try {
    answer = await collecting.settle()
  } catch (thrown) {
    // A facilitator that did not answer may have sent the transaction all the same.
    const seen = await readFate(collecting)
    return seen === 'open' ? { state: 'unknown', reason: toRouteplaneError(thrown).code } : seen
  }
  if (answer.success) return { state: 'settled', amount: collecting.amount, receipt: answer }
  const seen = await readFate(collecting)
  if (seen !== 'open') return seen
  const reason = answer.errorReason ?? 'settlement_failed'
  return { state: reason === 'settlement_pending' || reason.endsWith(BUSY) ? 'unknown' : 'refused', reason }
}

/** Somebody else has the channel: it is as good as before once he has let go of it. */
const BUSY = 'channel_busy'

/** What a payer has at the moment, in base units. @throws RouteplaneError when the node does not answer. */
export function balanceOf({ network, asset, payer }: SalePayment, chainOf: Collecting['chainOf']): Promise<Atomic> {
  return chainOf(network).balanceOf(asset as `0x${string}`, payer as `0x${string}`)
}

/** See `Tender.stands`. @throws RouteplaneError when the node does not answer. */
export async function standingOf({
  scheme,
  payment,
  claimedAt,
  chainOf,
}: Omit<Collecting, 'amount' | 'settle' | 'chargedBefore'>): Promise<Standing> {
  const fate = await scheme.fateOf(chainOf(payment.network), payment, spanOf(payment, claimedAt))
  if (fate?.fate === 'transferred') return fate.final ? 'safe' : 'unsafe'
  // Its nonce is used, and the node does not show by what.
  return fate === undefined || fate.fate === 'diverted' ? 'unsafe' : 'gone'
}

/** Room for a clock of ours that is wrong, in seconds. */
const ROOM_SECONDS = 600n

/** When a payment that was claimed then can have been settled: up to its end, and however long ago. */
export function spanOf({ validBeforeSeconds }: SalePayment, claimedAt: number): Span {
  const untilSeconds = validBeforeSeconds + ROOM_SECONDS
  return { sinceSeconds: BigInt(Math.floor(claimedAt / 1_000)) - ROOM_SECONDS, untilSeconds }
}

/** A chain that cannot be asked leaves the outcome unknown: it neither frees nor charges the payer. */
async function readFate({ scheme, payment, claimedAt, chainOf, chargedBefore }: Collecting): Promise<Collected | 'open'> {
  try {
    const network = payment.network as SettleResponse['network']
    const charged = await chargedBefore?.()
    if (charged !== undefined) {
      const receipt = { success: true, transaction: '', network, payer: payment.payer, amount: charged.toString() }
      return { state: 'settled', amount: charged, receipt }
    }
    const chain = chainOf(payment.network)
    const fate = await scheme.fateOf(chain, payment, spanOf(payment, claimedAt))
    if (fate === undefined || fate.fate === 'open') return 'open'
    if (fate.fate === 'diverted' && (await chain.latestBlock()).timestampSeconds <= payment.validBeforeSeconds) {
      // The nonce is used, and a node may show that before it shows the transfer.
      return { state: 'unknown', reason: 'authorization_used' }
    }
    if (fate.fate !== 'transferred') return { state: 'refused', reason: BY_CHAIN + fate.fate }
    const { amount, transaction } = fate.transfer
    return { state: 'settled', amount, receipt: { success: true, transaction, network, payer: payment.payer, amount: amount.toString() } }
  } catch (thrown) {
    return { state: 'unknown', reason: toRouteplaneError(thrown).code }
  }
}
