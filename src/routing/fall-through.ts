/** Whether a failed attempt moves on to the next endpoint or goes to the caller. */
import { isCommitted, type RouteplaneError } from '../errors.ts'

export type FallThroughOptions = {
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  /** The caller has left or the deadline has passed. */
  readonly aborted: boolean
}

/** Faults that a second provider would only repeat. */
const callersFault = new Set([400, 413, 422])

/**
 * Decides what follows a failure before the first part.
 *
 * Once a signature left, another payment may only follow when the first is proven dead (then the error says
 * `untouched`), or when the caller has agreed to the risk of paying twice.
 */
export function fallThrough(error: RouteplaneError, options: FallThroughOptions): 'next' | 'caller' {
  if (options.aborted || error.code === 'cancelled') return 'caller'
  if (isCommitted(error.money)) return options.onUnknown === 'allow_double' ? 'next' : 'caller'
  const { status } = error.details
  if (typeof status === 'number') {
    // A context overflow or a content filter of one provider need not be the next one's.
    if (error.details.class === 'context_overflow' || error.details.class === 'content_policy') return 'next'
    return callersFault.has(status) ? 'caller' : 'next'
  }
  switch (error.code) {
    case 'invalid_request':
    case 'unsupported_parameter':
    case 'store_unavailable':
    case 'internal':
      return 'caller'
    default:
      return 'next'
  }
}
