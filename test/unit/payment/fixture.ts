/** A ledger in memory that keeps the rules, attempts in any state, and terms and calls to begin a test from. */
import { RouteplaneError } from '../../../src/errors.ts'
import type { HttpCall, HttpResponse } from '../../../src/lib/http-call.ts'
import type { AttemptPayment, AttemptRow, AttemptState } from '../../../src/ledger/entry.ts'
import type { Ending, Ledger } from '../../../src/ledger/ledger.ts'
import { planEnding, planReopening } from '../../../src/ledger/rules.ts'
import { parseUsd, type Atomic } from '../../../src/money.ts'
import { x402V2 } from '../../../src/payment/challenge/x402-v2.ts'
import type { PaidCall } from '../../../src/payment/mode.ts'
import { exact } from '../../../src/payment/scheme/exact.ts'
import type { SignedCall } from '../../../src/payment/send-signed.ts'
import type { Endpoint } from '../../../src/registry/endpoint.ts'

export const NETWORK = 'eip155:84532'
export const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
export const PAYER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
export const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'
export const NONCE = `0x${'ab'.repeat(32)}` as const
export const TRANSACTION = `0x${'cd'.repeat(32)}` as const
/** Unix seconds at which the authorization of {@link rowOf} dies. */
export const VALID_BEFORE = 1_795_000_060n

export const atomic = (amount: bigint) => amount as Atomic

export function paymentOf(changes: Partial<AttemptPayment> = {}): AttemptPayment {
  return {
    ...{ protocol: 'x402-2', scheme: 'exact', network: NETWORK, asset: USDC, decimals: 6, payer: PAYER, payee: PAYEE },
    ...{ amountAuthorized: atomic(1_000n), nonce: NONCE, validBeforeSeconds: VALID_BEFORE, proof: 'eip3009' },
    ...{ resource: '', bodyDigest: '' },
    ...changes,
  } as AttemptPayment
}

export function rowOf(state: AttemptState, changes: Partial<AttemptRow> = {}): AttemptRow {
  return {
    ...{ id: 'pay_1', requestId: 'req_1', provider: 'acme', model: 'm', mode: 'x402', state, owner: 'us', createdAt: 1, updatedAt: 1 },
    heldUsd: parseUsd('0.001'),
    ...(state === 'held' ? {} : { payment: paymentOf() }),
    ...changes,
  }
}

export type MemoryLedger = Ledger & {
  readonly rows: Map<string, AttemptRow>
  readonly endings: Ending[]
  /** The next so many endings fail. */
  failures: number
}

/** Holds the rows it is given; moves follow the real rules. Orphans are the rows of `dead`. */
export function createMemoryLedger(rows: readonly AttemptRow[]): MemoryLedger {
  const known = new Map(rows.map((row) => [row.id, row]))
  const endings: Ending[] = []
  const adopted = new Set<string>()
  const ledger: MemoryLedger = {
    rows: known,
    endings,
    failures: 0,
    attempts: {
      hold: async () => ({ granted: true }),
      intend: async () => {},
      renew: async () => {},
      async end(id, ending) {
        if (ledger.failures-- > 0) throw new RouteplaneError('store_unavailable', 'the disk is full')
        const row = known.get(id)
        if (row === undefined) throw new RouteplaneError('internal', 'no such attempt')
        const next = planEnding(row, ending)
        endings.push(ending)
        if (next !== undefined) known.set(id, next)
      },
      async reopen(id, reopening) {
        const row = known.get(id)
        if (row !== undefined) known.set(id, planReopening(row, reopening))
      },
      untold: async () => [],
      get: async (id) => known.get(id),
      list: async ({ states }) => [...known.values()].filter(({ state }) => states?.includes(state) ?? true),
      orphans: async () =>
        [...known.values()].filter(({ owner, state }) => owner === 'dead' && state !== 'settled' && state !== 'released'),
      async adopt(id) {
        const isFree = !adopted.has(id)
        adopted.add(id)
        return isFree
      },
      budgets: async () => [],
    },
    papers: { keep: async () => {}, of: async () => [] },
    requests: { record: () => {}, get: async () => undefined, list: async () => [], flush: async () => {} },
    invoices: { list: async () => [], debts: async () => [], close: async () => undefined },
    approvals: {
      ask: async () => ({ outcome: 'pending', id: 'apr_1' }),
      decide: () => Promise.reject(new Error('not here')),
      list: async () => [],
    },
    idempotency: { claim: async () => ({ kind: 'new' }), finish: async () => {} },
    // Nothing here pays over a channel: whoever would ask fails loudly.
    channels: {} as Ledger['channels'],
    // Nothing is sold where payments are made.
    sales: undefined as never,
    callerKeys: undefined as never,
    health: { save: async () => {}, others: async () => [] },
    nonceSalt: async () => new Uint8Array(32),
    verifyEvents: async () => ({ ok: true }),
    close: async () => {},
  }
  return ledger
}

export function responseOf(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  async function* body() {
    yield Buffer.from('{}')
  }
  return { status, headers, body: body() }
}

type Sent = (call: HttpCall, count: number) => HttpResponse

/** A paid call whose transport is a function of how often it was asked. */
export function callOf(sent: Sent, changes: Partial<PaidCall> = {}): PaidCall & { readonly calls: readonly HttpCall[] } {
  const calls: HttpCall[] = []
  return {
    ...{ requestId: 'req_1', attemptId: 'pay_1', caller: 'local', endpoint: { provider: { id: 'acme' } } as unknown as Endpoint },
    wire: 'chat_completions',
    http: { method: 'POST', url: 'https://seller.example/v1', headers: { accept: 'application/json' }, body: Buffer.from('{}') },
    ...{ boundUsd: parseUsd('0.001'), capUsd: parseUsd('0.01'), answerSeconds: 1, onUnknown: 'fail', hasNext: false },
    signal: new AbortController().signal,
    transport: async (call) => sent(call, calls.push(call)),
    calls,
    ...changes,
  }
}

export function signedOf(): SignedCall {
  const terms = {
    ...{ format: 'x402-v2', scheme: 'exact', network: NETWORK, asset: USDC, amount: '1000', payTo: PAYEE, maxTimeoutSeconds: 60 },
    ...{ domain: {}, transferMethod: 'eip3009', paymentFlow: 'authorization', raw: {} },
  }
  const agreed = {
    terms,
    scheme: exact,
    asset: { network: NETWORK, address: USDC, decimals: 6 },
    payTo: PAYEE,
    amount: 1_000n,
    amountUsd: parseUsd('0.001'),
  }
  return {
    mode: 'x402',
    plan: {
      ...{ attemptId: 'pay_1', agreed, proof: 'eip3009', nonce: NONCE, amount: agreed.amount, validBeforeSeconds: VALID_BEFORE },
    } as unknown as SignedCall['plan'],
    headers: { 'PAYMENT-SIGNATURE': 'the very same' },
    attach: () => ({}),
    offers: [],
    format: x402V2,
  }
}
