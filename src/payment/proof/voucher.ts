/** Proves what a voucher was charged: by the word its seller can be held to, or by the channel's end on chain. It moves nothing itself. */
import { fromAtomic, type Atomic } from '../../money.ts'
import { eip3009 } from './eip3009.ts'
import { NEXT_BLOCK_MS, type Proof, type ProofSources } from './proof.ts'
import { tempoOpening } from './tempo.ts'

/** How channels are filled. */
const depositProofs: readonly Proof[] = [eip3009, tempoOpening]

/** Whether the chain shows every one of these deposits; the books may not have it yet. */
async function haveArrived(deposits: readonly string[], sources: ProofSources): Promise<boolean> {
  for (const id of deposits) {
    const payment = (await sources.ledger.attempts.get(id))?.payment
    const proof = depositProofs.find((each) => each.id === payment?.proof)
    const evidence = payment === undefined ? undefined : await proof?.gather(payment, sources)
    // A transaction that failed has cost its fee, which is less than what it was to put in.
    if (evidence?.state !== 'settled' || evidence.amount < BigInt(payment?.particulars?.['value'] ?? 0)) return false
  }
  return true
}

/** A channel is looked at when it is used; nobody else brings news of it. */
const LOOK_AGAIN_MS = 30_000

/**
 * A charge that the channel's books have is final once the money it is taken from has been seen on chain: it is within what we
 * signed, and the next voucher builds on it. Until then the voucher is open. Whatever its seller says, it takes no more than the
 * channel has: a voucher that no money covers is dead.
 */
export const voucher: Proof = {
  id: 'voucher',
  mayChargeLess: true,

  async gather({ particulars, decimals }, sources) {
    const { ledger, now } = sources
    const promised = particulars?.['attempt'] === undefined ? undefined : await ledger.channels.voucher(particulars['attempt'])
    if (promised === undefined) return { state: 'open', reason: 'its voucher is not in the ledger', retryAfterMs: LOOK_AGAIN_MS }
    const { charged, base, channel: id } = promised
    if (charged === 0n) return { state: 'released', reason: 'its voucher was not charged', now }
    const { deposited = 0n, depositing = 0n, returned = 0n } = (await ledger.channels.get(id)) ?? {}
    const covered = deposited - returned - base
    if (covered + depositing <= 0n) return { state: 'released', reason: 'no money in the channel covers its voucher', now }
    if (charged === undefined)
      return { state: 'open', reason: 'what its voucher was charged is not known yet', retryAfterMs: LOOK_AGAIN_MS }
    const isWaiting = charged > covered && depositing > 0n
    if (isWaiting && !(await haveArrived(await ledger.channels.openDeposits(id), sources)))
      return { state: 'open', reason: 'the deposit that its charge is taken from is not seen yet', retryAfterMs: NEXT_BLOCK_MS }
    const amount = (isWaiting || charged < covered ? charged : covered) as Atomic
    return { state: 'settled', amount, amountUsd: fromAtomic(amount, decimals, 'up'), finality: 'final', now }
  },

  transferKeys: () => [],
  describe: ({ payer, payee, particulars }) => ({
    payer: `voucher of ${payer} on channel ${particulars?.['channel'] ?? 'unknown'}`,
    payee: `claimable by ${payee}`,
  }),
}
