/** A call that is being paid for goes on when its caller goes away: its answer is kept for whoever asks for it again. */
import { RouteplaneError } from '../errors.ts'
import { createCanceller } from '../lib/cancel.ts'
import type { Completion, GatewayCall, Progress } from './call.ts'

/** The same call, which its caller can cancel until something has been signed for it. */
export function outliving(call: GatewayCall, onProgress?: (progress: Progress) => void): GatewayCall {
  const own = createCanceller()
  let isSigned = false
  const leave = () => {
    if (!isSigned) own.abort(leftBy(call))
  }
  if (call.signal.aborted) leave()
  else call.signal.addEventListener('abort', leave, { once: true })
  return {
    ...call,
    signal: own.signal,
    onProgress(progress) {
      if (progress.step === 'signed') isSigned = true
      onProgress?.(progress)
      call.onProgress?.(progress)
    },
  }
}

/** Hands an answer to its caller; one that he did not wait for is read to its end instead, so that it is kept whole. */
export async function unlessLeft(call: GatewayCall, completion: Completion): Promise<Completion> {
  if (!call.signal.aborted) return completion
  const { answer, closed } = completion
  const source: AsyncIterable<unknown> | Uint8Array = answer.lane === 'native' ? answer.body : answer.parts
  if (!(source instanceof Uint8Array)) for await (const _piece of source);
  await closed
  throw leftBy(call)
}

function leftBy({ signal }: GatewayCall): Error {
  return signal.reason instanceof Error ? signal.reason : new RouteplaneError('cancelled', 'the caller went away')
}
