/** Approvals as a person sees them: the questions that were asked, and the answers given to them. */
import type { Clock } from '../lib/clock.ts'
import type { Approval, Ledger } from '../ledger/ledger.ts'

export type ApprovalView = {
  /** Newest first, those of the last days. */
  list(): Promise<readonly Approval[]>
  /** Lets one call of this shape through within the hour, or none. @throws RouteplaneError `approval_not_found` */
  decide(id: string, answer: 'allowed' | 'denied'): Promise<Approval>
}

export function viewApprovals({ approvals }: Ledger, clock: Clock): ApprovalView {
  return {
    list: () => approvals.list(clock.now()),
    decide: (id, answer) => approvals.decide(id, answer, clock.now()),
  }
}
