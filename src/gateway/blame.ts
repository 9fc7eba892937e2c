/** Lets every failure of an answer under way say what has happened to the money. */
import type { CompletionPart } from '../completion/part.ts'
import { toRouteplaneError } from '../errors.ts'
import { mapStream } from '../lib/stream.ts'
import type { Payment } from '../payment/mode.ts'
import type { NativeAnswer, PartsAnswer } from './call.ts'

/** Raises what the answer's stream throws, and the error parts in it, by `payment.blame`; a whole body stays as it is. */
export function blameAnswer(answer: NativeAnswer | PartsAnswer, { blame }: Pick<Payment, 'blame'>): NativeAnswer | PartsAnswer {
  const raise = (thrown: unknown) => blame(toRouteplaneError(thrown))
  if (answer.lane === 'native') {
    return answer.body instanceof Uint8Array ? answer : { ...answer, body: mapStream(answer.body, (bytes) => bytes, raise) }
  }
  const raised = (part: CompletionPart): CompletionPart => (part.type === 'error' ? { ...part, error: blame(part.error) } : part)
  return { ...answer, parts: mapStream(answer.parts, (parts) => (parts.some(isError) ? parts.map(raised) : parts), raise) }
}

function isError({ type }: CompletionPart): boolean {
  return type === 'error'
}
