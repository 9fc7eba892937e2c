/** `routeplane approvals`: the calls above `budget.approve_above_usd` that wait for a yes or a no. */
import type { Approval } from '../ledger/ledger.ts'
import { plainCommand, type Command } from './command.ts'
import { money, table, usdText } from './output.ts'
import { withEngine } from './session.ts'

export const approvalsList: Command = {
  ...plainCommand,
  name: 'approvals list',
  aliases: ['approvals'],
  summary: 'List calls that wait for approval, newest first.',
  details: ['Calls that may cost more than budget.approve_above_usd wait here when their caller cannot be asked.'],
  async run(invocation, context) {
    const rows = await withEngine(invocation, context, ({ approvals }) => approvals.list())
    const now = context.clock.now()
    const cells = rows.map((row) => [
      row.id,
      timeOf(row.createdAt),
      stateOf(row, now),
      money(row.amountUsd),
      row.model,
      row.provider,
      row.caller,
    ])
    return {
      text:
        rows.length === 0
          ? 'Nothing waits for approval.'
          : table(['approval', 'time (UTC)', 'state', 'up to', 'model', 'provider', 'caller'], cells),
      value: { approvals: rows.map((row) => valueOf(row, now)) },
    }
  },
}

export const approvalsAllow = decision('approvals allow', 'allowed', 'Let one call of this shape through, within the hour.')
export const approvalsDeny = decision('approvals deny', 'denied', 'Refuse calls of this shape for the next hour.')

function decision(name: string, answer: 'allowed' | 'denied', summary: string): Command {
  return {
    ...plainCommand,
    name,
    summary,
    details: ['A shape is a caller, a model, and the most the call may cost.'],
    positionals: ['<id>'],
    async run(invocation, context) {
      const [id = ''] = invocation.positionals
      const approval = await withEngine(invocation, context, ({ approvals }) => approvals.decide(id, answer))
      const what = `${approval.model} for ${approval.caller}, up to ${money(approval.amountUsd)}`
      const text =
        answer === 'allowed'
          ? `The next call of ${what}, may be made until ${timeOf(approval.expiresAt)} UTC.`
          : `Calls of ${what}, are refused until ${timeOf(approval.expiresAt)} UTC.`
      return { text, value: valueOf(approval, context.clock.now()) }
    },
  }
}

function stateOf({ state, expiresAt }: Approval, now: number): string {
  return state !== 'used' && expiresAt <= now ? 'expired' : state
}

function valueOf(approval: Approval, now: number): unknown {
  return {
    id: approval.id,
    state: stateOf(approval, now),
    caller: approval.caller,
    model: approval.model,
    provider: approval.provider,
    payment_mode: approval.mode,
    amount_usd: usdText(approval.amountUsd),
    created_at: new Date(approval.createdAt).toISOString(),
    expires_at: new Date(approval.expiresAt).toISOString(),
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}
