/** Tells a payment that a node or the official server refuses from a node that does not answer, without viem's own words. */
import { errorNames } from '../../chain/client.ts'
import { unavailable } from '../facilitator/pool.ts'

const MAX_REASON = 200
const MAX_DEPTH = 10
/** What viem calls it when nobody has judged. */
const NO_ANSWER: ReadonlySet<string> = new Set(['HttpRequestError', 'TimeoutError', 'SocketClosedError', 'WebSocketRequestError'])

/**
 * Gives the innermost reason: what viem adds around it quotes the URL of the node, whose path is often somebody's API key.
 *
 * @throws RouteplaneError `facilitator_unavailable` when nobody has judged: the payment is as good as before.
 */
export function refusalOf(cause: unknown): string {
  if (errorNames(cause).some((name) => NO_ANSWER.has(name))) throw unavailable(cause)
  let reason = 'the payment is not valid'
  let error = cause
  for (let depth = 0; depth < MAX_DEPTH && typeof error === 'object' && error !== null; depth++) {
    const { message, cause: inner }: { readonly message?: unknown; readonly cause?: unknown } = error
    if (typeof message === 'string' && message !== '') reason = message
    error = inner
  }
  return (reason.split('\n')[0] ?? reason).slice(0, MAX_REASON)
}
