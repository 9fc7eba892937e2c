/** The kinds of proof an attempt may end by. */
import { RouteplaneError } from '../../errors.ts'
import type { AttemptPayment } from '../../ledger/entry.ts'
import { eip3009 } from './eip3009.ts'
import { permit2, permit2Ceiling } from './permit2.ts'
import { voucher } from './voucher.ts'
import type { Evidence, Proof, ProofSources } from './proof.ts'
import { solana } from './solana.ts'
import { tempo, tempoCall, tempoOpening } from './tempo.ts'

const proofs: readonly Proof[] = [eip3009, permit2, permit2Ceiling, voucher, tempo, tempoOpening, tempoCall, solana]

/** @throws RouteplaneError `internal` for a kind that this version does not know: its money stays held. */
export function proofOf({ proof }: Pick<AttemptPayment, 'proof'>): Proof {
  const found = proofs.find(({ id }) => id === proof)
  if (found !== undefined) return found
  throw new RouteplaneError('internal', `a payment proven by ${JSON.stringify(proof)} cannot be judged by this version`)
}

/** Gathers what became of a payment by the proof its row names. */
export function gatherEvidence(payment: AttemptPayment, sources: ProofSources): Promise<Evidence> {
  return proofOf(payment).gather(payment, sources)
}
