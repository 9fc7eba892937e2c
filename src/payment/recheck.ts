/** Looks at settled payments again until the network holds their blocks to be safe: some are final then, some are gone. */
import type { Chain } from '../chain/chain.ts'
import { isSolana } from '../chain/networks.ts'
import { toRouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AttemptPayment, AttemptRow } from '../ledger/entry.ts'
import type { Ledger, Reopening } from '../ledger/ledger.ts'
import { gatherEvidence, proofOf } from './proof/index.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'
import type { Resolver } from './resolver.ts'

export type RecheckDeps = {
  readonly ledger: Ledger
  chainOf(network: string): Chain
  readonly solana?: Pick<SolanaSide, 'chainOf'>
  readonly resolver: Pick<Resolver, 'follow'>
  readonly clock: Clock
  readonly log: Log
}

export type RecheckReport = { readonly final: number; readonly moved: number; readonly reopened: number }

/** Rows of one round: each costs the node a few questions. */
const MAX_ROWS = 200

/**
 * Makes payments final whose blocks are safe and still hold them. One whose block was reorganised away is followed to its new
 * block, or becomes `unknown` again: reserved, and asked about until the chain shows its end.
 */
export async function recheckSettled(deps: RecheckDeps): Promise<RecheckReport> {
  const { ledger } = deps
  const rows = await ledger.attempts.list({ states: ['settled'], unfinal: true, limit: MAX_ROWS })
  const report = { final: 0, moved: 0, reopened: 0 }
  for (const [network, own] of grouped(rows)) {
    const safe = await safeBlock(network, deps).catch(() => undefined)
    if (safe === undefined) continue
    for (const row of own) {
      const block = row.payment?.blockNumber
      if (block === undefined || block > safe) continue
      const outcome = await recheck(row, deps).catch((error: unknown) => {
        deps.log.warn('payment cannot be looked at again', { attempt: row.id, message: toRouteplaneError(error).message })
        return undefined
      })
      if (outcome !== undefined) report[outcome]++
    }
  }
  return report
}

/** The newest block that the network never takes back; on Solana a slot. */
async function safeBlock(network: string, { chainOf, solana }: RecheckDeps): Promise<bigint | undefined> {
  return isSolana(network) ? (await solana?.chainOf(network).finalized())?.slot : (await chainOf(network).safeBlock()).number
}

function networkOf({ payment }: AttemptRow): string {
  return payment?.network ?? ''
}

function grouped(rows: readonly AttemptRow[]): ReadonlyMap<string, readonly AttemptRow[]> {
  return new Map([...new Set(rows.map(networkOf))].map((network) => [network, rows.filter((row) => networkOf(row) === network)]))
}

/** @returns `undefined` when nothing new is known: a node that cannot be asked takes nothing back. */
async function recheck(row: AttemptRow, deps: RecheckDeps): Promise<keyof RecheckReport | undefined> {
  const { payment, id } = row
  if (payment === undefined) return undefined
  const { ledger, clock, log } = deps
  const evidence = await gatherEvidence(payment, { ...deps, now: clock.now() })
  if (evidence.state === 'settled') {
    const isSame = evidence.transaction === payment.transaction && evidence.blockNumber === payment.blockNumber
    if (!isSame) await ledger.attempts.reopen(id, reopening(payment, clock.now()))
    await ledger.attempts.end(id, evidence)
    if (!isSame) log.warn('payment has moved to another block', { attempt: id })
    return isSame ? (evidence.finality === 'final' ? 'final' : undefined) : 'moved'
  }
  const isGone = evidence.state === 'released' || (evidence.state === 'open' && evidence.isUnused === true)
  if (!isGone) return undefined
  await ledger.attempts.reopen(id, reopening(payment, clock.now()))
  log.warn('payment was taken back by a reorganisation', { attempt: id })
  deps.resolver.follow(id)
  return 'reopened'
}

/** A transaction of our own may come into another block, and fail there: then its hash alone leads to the fee that it has cost. */
function reopening(payment: AttemptPayment, now: number): Reopening {
  const { transaction } = payment
  const isKept = proofOf(payment).ownsTransaction === true && transaction !== undefined
  return { reason: 'its block was reorganised away', now, ...(isKept ? { transaction } : {}) }
}
