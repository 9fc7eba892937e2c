/** Proves what a voucher was charged: by the word its seller can be held to, or by the channel's end on chain. It moves nothing itself. */
import { fromAtomic } from '../../money.ts'
import type { Proof } from './proof.ts'

/** A channel is looked at when it is used; nobody else brings news of it. */
const LOOK_AGAIN_MS = 30_000

/**
 * A charge that the channel's books have is final: it is within what we signed, the next voucher builds on it, and the deposit
 * it is taken from was counted when it was made. Until then the voucher is open; one that no money covers is dead.
 */
export const voucher: Proof = {
  id: 'voucher',
  mayChargeLess: true,

  async gather({ particulars, decimals }, { ledger, now }) {
    const promised = particulars?.['attempt'] === undefined ? undefined : await ledger.channels.voucher(particulars['attempt'])
    if (promised === undefined) return { state: 'open', reason: 'its voucher is not in the ledger', retryAfterMs: LOOK_AGAIN_MS }
    const { charged, base, channel: id } = promised
    if (charged !== undefined && charged > 0n) {
      return { state: 'settled', amount: charged, amountUsd: fromAtomic(charged, decimals, 'up'), finality: 'final', now }
    }
    if (charged === 0n) return { state: 'released', reason: 'its voucher was not charged', now }
    const channel = await ledger.channels.get(id)
    const covered = channel === undefined ? 0n : channel.deposited + channel.depositing - channel.returned
    if (covered <= base) return { state: 'released', reason: 'no money in the channel covers its voucher', now }
    return { state: 'open', reason: 'what its voucher was charged is not known yet', retryAfterMs: LOOK_AGAIN_MS }
  },

  transferKey: () => undefined,
  describe: ({ payer, payee, particulars }) => ({
    payer: `voucher of ${payer} on channel ${particulars?.['channel'] ?? 'unknown'}`,
    payee: `claimable by ${payee}`,
  }),
}
