/** Lets every failure of an answer under way say what has happened to the money. */
import type { CompletionPart } from '../completion/part.ts'
import { toRouteplaneError } from '../errors.ts'
import type { Payment } from '../payment/mode.ts'
import type { NativeAnswer, PartsAnswer } from './call.ts'

/** Raises what the answer's stream throws, and the error parts in it, by `payment.blame`; a whole body stays as it is. */
export function blameAnswer(answer: NativeAnswer | PartsAnswer, { blame }: Pick<Payment, 'blame'>): NativeAnswer | PartsAnswer {
  if (answer.lane === 'native') {
    return answer.body instanceof Uint8Array ? answer : { ...answer, body: follow(answer.body, blame, (bytes) => bytes) }
  }
  const raise = (part: CompletionPart): CompletionPart => (part.type === 'error' ? { ...part, error: blame(part.error) } : part)
  return { ...answer, parts: follow(answer.parts, blame, raise) }
}

/** Not a generator: one that was never started would not tell its source that the reader has left. */
function follow<T>(source: AsyncIterable<T>, blame: Payment['blame'], change: (item: T) => T): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]()
      return {
        async next() {
          try {
            const step = await inner.next()
            return step.done === true ? step : { done: false, value: change(step.value) }
          } catch (thrown) {
            throw blame(toRouteplaneError(thrown))
          }
        },
        async return(value?: unknown) {
          await inner.return?.()
          return { done: true as const, value }
        },
      }
    },
  }
}
