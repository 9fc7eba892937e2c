/** Approvals on SQLite: a question, what a person has said to it, and whether that has been used. */
import { RouteplaneError } from '../../errors.ts'
import type { Approval, ApprovalAsk, ApprovalOutcome, ApprovalStore } from '../ledger.ts'
import { checkTime, plainText } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { amountOf, numberOf, oneOf, textOf } from './columns.ts'
import type { Connection, Row } from './connection.ts'

/** Milliseconds a question stands, and an answer holds: nobody should pay tomorrow for what was meant today. */
export const APPROVAL_MS = 60 * 60 * 1_000

/** Milliseconds for which old questions can still be listed. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1_000

const approvalStates = ['pending', 'allowed', 'denied', 'used'] as const satisfies readonly Approval['state'][]

export const approvalSql = {
  sameShape: 'SELECT * FROM approvals WHERE caller = ? AND model = ? AND expires_at > ? ORDER BY id',
  addApproval:
    'INSERT INTO approvals (id, caller, model, provider, mode, amount_usd, state, created_at, expires_at) ' +
    "VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
  setApproval: 'UPDATE approvals SET state = ?, expires_at = ? WHERE id = ?',
  approvalById: 'SELECT * FROM approvals WHERE id = ?',
  forgetApprovals: 'DELETE FROM approvals WHERE expires_at <= ?',
  lastApprovals: 'SELECT * FROM approvals WHERE expires_at > ? ORDER BY expires_at DESC, id DESC',
} as const

export function createApprovalStore({ connection, writer, read }: Engine): ApprovalStore {
  return {
    ask: (asked) => writer.write(() => ask(connection, asked)),
    decide: (id, state, now) => writer.write(() => decide(connection, id, state, now)),
    list: (now) => read(() => connection.all(approvalSql.lastApprovals, [now - KEPT_MS]).map(readApproval)),
  }
}

/** One transaction, so that one "yes" lets one call through however many ask at once. */
function ask(connection: Connection, { id, caller, model, provider, mode, amountUsd, now }: ApprovalAsk): ApprovalOutcome {
  checkTime(now)
  connection.run(approvalSql.forgetApprovals, [now - KEPT_MS])
  const same = connection.all(approvalSql.sameShape, [caller, plainText(model), now]).map(readApproval)
  const covering = same.filter((approval) => approval.amountUsd >= amountUsd)
  const allowed = covering.find(({ state }) => state === 'allowed')
  if (allowed !== undefined) {
    connection.run(approvalSql.setApproval, ['used', allowed.expiresAt, allowed.id])
    return { outcome: 'allowed', approvedUsd: allowed.amountUsd }
  }
  const denied = same.find(({ state }) => state === 'denied')
  if (denied !== undefined) return { outcome: 'denied', id: denied.id }
  const pending = covering.find(({ state }) => state === 'pending')
  if (pending !== undefined) return { outcome: 'pending', id: pending.id }
  const values = [id, caller, plainText(model), provider, mode, amountUsd.toString(), now, now + APPROVAL_MS]
  connection.run(approvalSql.addApproval, values)
  return { outcome: 'pending', id }
}

function decide(connection: Connection, id: string, state: 'allowed' | 'denied', now: number): Approval {
  checkTime(now)
  const row = connection.all(approvalSql.approvalById, [id])[0]
  if (row === undefined) throw missing(id)
  const approval = readApproval(row)
  if (approval.expiresAt <= now) throw missing(id, 'has expired')
  if (approval.state === 'used') throw missing(id, 'has been used')
  connection.run(approvalSql.setApproval, [state, now + APPROVAL_MS, id])
  return { ...approval, state, expiresAt: now + APPROVAL_MS }
}

function missing(id: string, why?: string): RouteplaneError {
  const name = JSON.stringify(id.slice(0, 60))
  return new RouteplaneError('approval_not_found', why === undefined ? `there is no approval ${name}` : `approval ${name} ${why}`, {
    hint: 'See "routeplane approvals list".',
  })
}

function readApproval(row: Row): Approval {
  return {
    id: textOf(row, 'id'),
    caller: textOf(row, 'caller'),
    model: textOf(row, 'model'),
    provider: textOf(row, 'provider'),
    mode: textOf(row, 'mode'),
    amountUsd: amountOf(row, 'amount_usd'),
    state: oneOf(row, 'state', approvalStates),
    createdAt: numberOf(row, 'created_at'),
    expiresAt: numberOf(row, 'expires_at'),
  }
}
