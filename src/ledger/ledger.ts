/** The ledger port: holds against budgets, the states of each payment attempt, and what is known of requests. */
import type { Atomic, Usd } from '../money.ts'
import type { ChannelStore } from './channel.ts'
import type { AgreedPayment, AttemptRow, RequestRow } from './entry.ts'
import type { CallerKeyStore } from './caller-key.ts'
import type { PaperStore } from './paper.ts'
import type { SaleStore } from './sale.ts'

/**
 * Every method that changes money is one durable transaction: when its promise resolves it has survived a crash.
 *
 * @throws RouteplaneError `store_unavailable` when the database cannot be written: money never fails open.
 */
export type Ledger = {
  readonly attempts: AttemptStore
  readonly requests: RequestStore
  readonly idempotency: IdempotencyStore
  readonly channels: ChannelStore
  readonly invoices: InvoiceStore
  readonly approvals: ApprovalStore
  /** What callers pay us, on the other side of the same requests. */
  readonly sales: SaleStore
  readonly callerKeys: CallerKeyStore
  readonly health: HealthStore
  /** What sellers signed about payments; no money hangs on it. */
  readonly papers: PaperStore
  /** 32 random bytes made once per database, so that nonces can be derived and not guessed. */
  nonceSalt(): Promise<Uint8Array>
  /** Reads the whole journal: every hash must follow from the one before, and every attempt must stand where its last event left it. */
  verifyEvents(): Promise<EventVerdict>
  close(): Promise<void>
}

export type AttemptStore = {
  /** Reserves `amount` in every budget or in none. The one place where a cap is decided. */
  hold(hold: HoldRequest): Promise<HoldOutcome>
  /**
   * Records what is about to be signed; shrinks the reservation to it. Only from `held`.
   *
   * @throws RouteplaneError `internal` with `details.reason` `taken` when another attempt has that nonce.
   */
  intend(id: string, intent: Intent): Promise<void>
  /**
   * Records that the same payment is about to be signed again for another amount: of both only one can be taken, so the larger
   * counts from now on. Only from `intent`.
   *
   * @throws RouteplaneError `internal` for more than is reserved.
   */
  renew(id: string, renewal: IntentRenewal): Promise<void>
  /** Moves to `unknown`, `settled`, `owed` or `released`; a move that is not in the diagram throws `internal`. Repeating a move is a no-op. */
  end(id: string, ending: Ending): Promise<void>
  /** Makes a settlement `unknown` again whose block a reorganisation took back; one that is final stays. */
  reopen(id: string, reopening: Reopening): Promise<void>
  get(id: string): Promise<AttemptRow | undefined>
  list(filter: AttemptFilter): Promise<readonly AttemptRow[]>
  /**
   * What a process that is gone has done since then for a caller's call in the same words, of which it has recorded no end: its
   * caller has been told nothing, or not all.
   */
  untold(call: TriedCall, now: number): Promise<readonly AttemptRow[]>
  /** Open attempts whose process is gone, oldest first: nobody will end them unless somebody adopts them. */
  orphans(now: number): Promise<readonly AttemptRow[]>
  /** Makes an orphan ours. Of several processes that ask exactly one is told `true`, and only that one may heal it. */
  adopt(id: string): Promise<boolean>
  /** What is reserved and spent under each limit, in the order asked; a window nobody has used has nothing of either. */
  budgets(limits: readonly BudgetLimit[]): Promise<readonly BudgetStanding[]>
}

export type TriedCall = { readonly caller: string; readonly fingerprint: string; readonly since: number }

export type BudgetStanding = { readonly limit: BudgetLimit; readonly reserved: Usd; readonly spent: Usd }

/** `brokenAt` is the number of the first event that cannot be as it was written. */
export type EventVerdict = { readonly ok: true } | { readonly ok: false; readonly brokenAt: number; readonly reason: string }

export type HoldRequest = {
  readonly id: string
  readonly requestId: string
  readonly provider: string
  readonly model: string
  readonly mode: string
  /** Whom it is for; kept so that a cap which is set later finds what was spent before. */
  readonly caller?: string
  readonly preset?: string
  /** Of the words of the call, where its client says when it tries again. */
  readonly fingerprint?: string
  /** The most this attempt may cost. */
  readonly amount: Usd
  /** The cap of the whole request: the sum over its attempts that are not released stays within it. */
  readonly requestCap: Usd
  readonly budgets: readonly BudgetLimit[]
  readonly now: number
}

/** One rolling cap: `scope` names whose (`all`, `provider:acme`), `window` names when (`day:2026-11-20`, `total`). */
export type BudgetLimit = {
  readonly scope: string
  readonly window: string
  readonly cap: Usd
  /**
   * Where the window begins, in milliseconds since the epoch. A limit that has never been used then begins with what its
   * scope has reserved and spent since; without it, with nothing.
   */
  readonly since?: number
}

export type HoldOutcome =
  | { readonly granted: true }
  | {
      readonly granted: false
      readonly limit: BudgetLimit | { readonly scope: 'request'; readonly window: string; readonly cap: Usd }
      readonly available: Usd
    }

/** All that a signature will say, written down before it exists. */
export type Intent = AgreedPayment & {
  readonly amount: Atomic
  readonly amountUsd: Usd
  /** The whole hold stays reserved: what is signed may yet be renewed for more. */
  readonly keepsHold?: boolean
  readonly now: number
}

export type IntentRenewal = Pick<Intent, 'amount' | 'amountUsd' | 'now'>

export type Ending =
  | { readonly state: 'unknown'; readonly reason: string; readonly transaction?: string; readonly now: number }
  | { readonly state: 'released'; readonly reason: string; readonly now: number }
  /** Only from `held`. `reason` says when the amount is a bound and not the cost. */
  | { readonly state: 'owed'; readonly amountUsd: Usd; readonly reason?: string; readonly now: number }
  | {
      readonly state: 'settled'
      readonly amount: Atomic
      readonly amountUsd: Usd
      readonly finality: Finality
      readonly transaction?: string
      readonly blockNumber?: bigint
      readonly logIndex?: number
      readonly now: number
    }

/** What is known of a settlement that was taken back; `transaction` when it is one that may come into a block again. */
export type Reopening = Omit<Extract<Ending, { state: 'unknown' }>, 'state'>

/** How sure the chain is: seen in a transaction, confirmed in a block, or below the safe head. */
export type Finality = 'pending' | 'confirmed' | 'final'

export type AttemptFilter = {
  readonly states?: readonly AttemptRow['state'][]
  readonly requestId?: string
  /** Only attempts that reached an intent: those are the receipts. */
  readonly withIntent?: boolean
  /** Only settled ones that a reorganisation could still take back. */
  readonly unfinal?: boolean
  readonly limit?: number
  /** Ids strictly before this one, newest first. */
  readonly before?: string
}

export type RequestStore = {
  /** Queues a row; written with others in one transaction soon after, and on close. Never waits, never throws. */
  record(row: RequestRow): void
  get(id: string): Promise<RequestRow | undefined>
  list(limit: number): Promise<readonly RequestRow[]>
  flush(): Promise<void>
}

/** Debts (attempts that are `owed`) by provider and month of UTC. */
export type InvoiceStore = {
  /** What is open, newest month first, then every invoice that was closed. */
  list(): Promise<readonly Invoice[]>
  /** The debts of one invoice, oldest first; without a number those that no invoice has yet. */
  debts(invoice: { readonly provider: string; readonly month: string; readonly number?: number }): Promise<readonly AttemptRow[]>
  /**
   * Closes what is open of a month as one invoice. Again with nothing new it gives the last one as it was; `undefined` when
   * there never was a debt.
   */
  close(provider: string, month: string, now: number): Promise<Invoice | undefined>
}

export type Invoice = {
  readonly provider: string
  /** `2026-11`. */
  readonly month: string
  /** 1 for the first of its month; absent while it is open. */
  readonly number?: number
  readonly debts: number
  readonly totalUsd: Usd
  readonly closedAt?: number
}

/** Questions about calls above the operator's threshold, and the answers a person gave. */
export type ApprovalStore = {
  /** Uses up an answer that covers the call, or leaves a question for a person. */
  ask(ask: ApprovalAsk): Promise<ApprovalOutcome>
  /** @throws RouteplaneError `approval_not_found` for one that is unknown, expired or used. */
  decide(id: string, state: 'allowed' | 'denied', now: number): Promise<Approval>
  /** Newest first, those of the last days. */
  list(now: number): Promise<readonly Approval[]>
}

/** A call by its shape: who asks which model, and the most it may cost. An answer covers one call of that shape. */
export type ApprovalAsk = {
  /** Of the question, if there has to be a new one. */
  readonly id: string
  readonly caller: string
  /** As the caller named it. */
  readonly model: string
  readonly provider: string
  readonly mode: string
  readonly amountUsd: Usd
  readonly now: number
}

export type ApprovalOutcome =
  | { readonly outcome: 'allowed'; readonly approvedUsd: Usd }
  | { readonly outcome: 'pending' | 'denied'; readonly id: string }

export type Approval = Omit<ApprovalAsk, 'now'> & {
  readonly state: 'pending' | 'allowed' | 'denied' | 'used'
  readonly createdAt: number
  readonly expiresAt: number
}

/** What processes of one ledger tell each other of endpoints. No money: a crash of the machine may lose the last of it. */
export type HealthStore = {
  /** Replaces this process's rows, and forgets everybody's that are older than an hour. */
  save(rows: readonly { readonly endpoint: string; readonly at: number; readonly state: string }[], now: number): Promise<void>
  /** Rows of every other process, dead ones included, written after `since`. */
  others(
    since: number,
  ): Promise<readonly { readonly endpoint: string; readonly owner: string; readonly at: number; readonly state: string }[]>
}

export type IdempotencyStore = {
  /** Claims a key for a request, or says what became of the one that has it. Keys are kept 24 hours. */
  claim(caller: string, key: string, fingerprint: string, now: number, requestId?: string): Promise<IdempotencyClaim>
  /**
   * Keeps the answer for the next caller with the key; `undefined` gives the key back after a failure that cost nothing.
   *
   * @throws RouteplaneError `internal` for a body above {@link MAX_KEPT_BYTES}; the key stays claimed, since giving it back
   *   could buy the answer twice.
   */
  finish(caller: string, key: string, answer: KeptAnswer | undefined): Promise<void>
}

/** Bytes of body that may be kept under an idempotency key. */
export const MAX_KEPT_BYTES = 1_048_576

export type KeptAnswer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array }

export type IdempotencyClaim =
  /** `abandoned` is the request of a process that died while it held the key: it may have paid. */
  | { readonly kind: 'new'; readonly abandoned?: string }
  | { readonly kind: 'running' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'kept'; readonly answer: KeptAnswer }
