/** Payment channels in the ledger: what was put in, what was promised by voucher, what the seller has charged, what came back. */
import type { Atomic, Usd } from '../money.ts'

/**
 * - `open`: may be paid from.
 * - `distrusted`: its seller has said what cannot be; nothing more is signed, its money can be taken back.
 * - `withdrawing`: the timed way back has begun on chain.
 * - `closed`: nothing of ours is in it any more.
 */
export type ChannelState = 'open' | 'distrusted' | 'withdrawing' | 'closed'

/** What a channel's id is made of, and where its seller is asked; none of it ever changes. */
export type ChannelTerms = {
  /** Hash of the on-chain config: 32 bytes. */
  readonly id: `0x${string}`
  readonly network: string
  readonly asset: `0x${string}`
  readonly decimals: number
  readonly payer: `0x${string}`
  /** Of the key that signs vouchers. */
  readonly payerAuthorizer: `0x${string}`
  readonly receiver: `0x${string}`
  readonly receiverAuthorizer: `0x${string}`
  /** Seconds between asking for one's own money and getting it. */
  readonly withdrawDelay: number
  readonly salt: `0x${string}`
  /** Of a channel of Tempo's reserve: the hash of the transaction that opens it, which its id is made of too. */
  readonly opening?: `0x${string}`
  readonly provider: string
  /** URL, wire and model that were paid for first: there, and in these words, a refund is asked. */
  readonly resource: string
  readonly wire: string
  readonly model: string
}

/** All amounts in base units of the asset. */
export type ChannelRow = ChannelTerms & {
  readonly state: ChannelState
  readonly reason?: string
  /** Lies on chain by the evidence of its deposit attempts, `returned` included. */
  readonly deposited: Atomic
  /** Signed, and not known to be on chain or dead. */
  readonly depositing: Atomic
  /** Came back by refund or withdrawal. */
  readonly returned: Atomic
  /** What all vouchers together came to, as far as both sides agree. */
  readonly charged: Atomic
  /** The highest voucher that was ever signed: the most that can be taken. */
  readonly signed: Atomic
  /** Unix milliseconds at which a withdrawal under way can be finished. */
  readonly withdrawAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** One attempt's promise out of a channel. */
export type VoucherRow = {
  readonly attempt: string
  readonly channel: `0x${string}`
  /** What had been charged before it; `base + amount` stands in the signature. */
  readonly base: Atomic
  readonly amount: Atomic
  /** Absent until it is known; zero when it was never used. */
  readonly charged?: Atomic
  /** The attempt that put in the money it draws on, when both were signed together. */
  readonly deposit?: string
}

export type ChannelFilter = Partial<Pick<ChannelTerms, 'network' | 'asset' | 'payer' | 'receiver' | 'receiverAuthorizer'>>

/** Every change is one durable transaction, as in the rest of the ledger. */
export type ChannelStore = {
  /** Oldest first. */
  list(filter: ChannelFilter): Promise<readonly ChannelRow[]>
  get(id: string): Promise<ChannelRow | undefined>
  /** Writes a new channel down, leased to an attempt. @returns `false` when another made it first. */
  open(terms: ChannelTerms, attempt: string, now: number): Promise<boolean>
  /**
   * Takes an open channel for one attempt: of all processes one at a time writes to it. The lease ends when the attempt's
   * charge is known, with the attempt, that is when it has an end or is `unknown`, and with its process.
   *
   * @returns `false` when the channel is not free.
   */
  lease(id: string, attempt: string, now: number): Promise<boolean>
  /** Gives a channel back that the attempt cannot use after all; of one that it does not hold, nothing changes. */
  release(id: string, attempt: string): Promise<void>
  /**
   * Writes down a voucher over `charged + amount`, before it is signed; a second one of the same attempt replaces the first,
   * and what was ever signed is remembered. `deposit` is the attempt that puts money in with it; `reaching` says how much of
   * that arrives in the channel, where the network takes a fee from it.
   *
   * @throws RouteplaneError `internal` without the lease, or when the channel cannot cover it.
   */
  promise(
    id: string,
    voucher: { readonly attempt: string; readonly amount: Atomic; readonly deposit?: string; readonly reaching?: Atomic },
    now: number,
  ): Promise<VoucherRow>
  /**
   * Writes down that an attempt puts more into a channel, before it is signed: what of it arrives there counts once its chain shows it.
   *
   * @throws RouteplaneError `internal` without the lease.
   */
  fund(id: string, more: { readonly attempt: string; readonly deposit: string; readonly reaching: Atomic }): Promise<void>
  /**
   * Writes down what a voucher was charged. The channel's other open vouchers stood on the same base and are void: of
   * those only one can be used.
   *
   * @throws RouteplaneError `internal` for more than the voucher promised.
   */
  charge(attempt: string, amount: Atomic, now: number): Promise<void>
  voucher(attempt: string): Promise<VoucherRow | undefined>
  /** Attempts that put money in and have no end yet. */
  openDeposits(id: string): Promise<readonly string[]>
  /**
   * Vouchers of which it is not known what they came to, oldest first. One whose attempt was given up before it signed is none of
   * them: it stands on the same base, and often for the same amount, as the next one that was signed.
   */
  openVouchers(id: string): Promise<readonly VoucherRow[]>
  /** Moves a channel on; `closed` is the end of it. */
  mark(
    id: string,
    change: { readonly state: ChannelState; readonly reason: string; readonly withdrawAt?: number },
    now: number,
  ): Promise<void>
  /**
   * Records how much has come back in all; what is new of it is given back to the budgets its deposits were taken from.
   *
   * @throws RouteplaneError `internal` for more than was put in.
   */
  returned(id: string, total: Atomic, usdOf: (amount: Atomic) => Usd, now: number): Promise<void>
}
