/** What the wires that number their candidates do alike when they decode a stream. */
import { RouteplaneError } from '../errors.ts'
import type { Finish, FinishReason } from '../completion/part.ts'
import type { Usage } from '../completion/usage.ts'
import type { AnswerState } from './answer-decoder.ts'

/** More candidates than anybody may ask for: a memory guard. */
const MAX_CANDIDATES = 128

/**
 * Gives the candidate of an index, made anew when its first word comes. A missing index means the only candidate there is: one of
 * the wires leaves zeros out.
 */
export function candidateAt<Candidate>(
  candidates: Map<number, Candidate>,
  given: unknown,
  create: (index: number) => Candidate,
): Candidate {
  const index = typeof given === 'number' && Number.isInteger(given) && given >= 0 ? given : 0
  const known = candidates.get(index)
  if (known !== undefined) return known
  if (candidates.size >= MAX_CANDIDATES)
    throw new RouteplaneError('upstream_bad_stream', 'the upstream gave more candidates than can be asked for')
  const candidate = create(index)
  candidates.set(index, candidate)
  return candidate
}

type Ended = { readonly index: number; readonly reason: string | undefined }

/** Ends the candidates in their order. @param end - Says why one of them ended, in neutral words. */
export function finishesOf<Candidate extends Ended>(
  candidates: readonly Candidate[],
  end: (candidate: Candidate) => FinishReason,
): readonly Finish[] {
  return candidates.map((candidate) => {
    const reason = end(candidate)
    return { candidate: candidate.index, reason, ...(candidate.reason === undefined ? {} : { raw: candidate.reason }) }
  })
}

/** Keeps the newest figures, and says them when they are news: a start must have come before. */
export function noteUsage(state: AnswerState & { usage: Usage | undefined; readonly hasStarted: boolean }, usage: Usage | undefined): void {
  if (usage === undefined) return
  const known = state.usage
  state.usage = usage
  const isNews = known?.inputTokens !== usage.inputTokens || known?.outputTokens !== usage.outputTokens
  if (state.hasStarted && isNews) state.out.push({ type: 'usage', usage })
}
