/** Holds, intents and endings to begin a test from. */
import type { RequestRow } from '../../src/ledger/entry.ts'
import type { BudgetLimit, Ending, HoldRequest, Intent } from '../../src/ledger/ledger.ts'
import type { Atomic, Usd } from '../../src/money.ts'

export const usd = (amount: bigint) => amount as Usd
export const atomic = (amount: bigint) => amount as Atomic

export const limitOf = (cap: bigint, scope = 'all', window = 'total'): BudgetLimit => ({ scope, window, cap: usd(cap) })

export function holdOf(id: string, amount: bigint, changes: Partial<HoldRequest> = {}): HoldRequest {
  return {
    ...{ id, requestId: `req-${id}`, provider: 'acme', model: 'maker/model', mode: 'x402' },
    ...{ amount: usd(amount), requestCap: usd(10n ** 30n), budgets: [], now: 1_000 },
    ...changes,
  }
}

/** One base unit is worth one unit of US dollars here: what is compared is which number went where. */
export function intentOf(id: string, amount: bigint, changes: Partial<Intent> = {}): Intent {
  return {
    ...{ protocol: 'x402-2', scheme: 'exact', network: 'eip155:84532', asset: '0xAsset', decimals: 6 },
    ...{
      payer: '0xPayer',
      payee: '0xPayee',
      amount: atomic(amount),
      amountUsd: usd(amount),
      nonce: `0xab${Buffer.from(id).toString('hex')}`,
    },
    ...{
      validBeforeSeconds: 1_700_000_000n,
      proof: 'eip3009',
      resource: 'https://acme.example/v1',
      bodyDigest: 'sha-256=:AA==:',
      now: 2_000,
    },
    ...changes,
  } as Intent
}

export function settledOf(
  amount: bigint,
  changes: Partial<Extract<Ending, { state: 'settled' }>> = {},
): Extract<Ending, { state: 'settled' }> {
  return { state: 'settled', amount: atomic(amount), amountUsd: usd(amount), finality: 'confirmed', now: 3_000, ...changes }
}

export const released = { state: 'released', reason: 'not sent', now: 3_000 } as const satisfies Ending
export const unknown = { state: 'unknown', reason: 'timeout', now: 3_000 } as const satisfies Ending

export function requestOf(id: string, changes: Partial<RequestRow> = {}): RequestRow {
  return {
    ...{
      id,
      caller: 'local',
      protocol: 'messages',
      requestedModel: 'maker/model',
      status: 200,
      totalMs: 12.5,
      attempts: 1,
      startedAt: 1_000,
    },
    ...changes,
  }
}
