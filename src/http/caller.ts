/** Who is asking: the operator himself, a caller with a key, or a stranger who pays per call; and where each may come. */
import type { IncomingMessage } from 'node:http'
import { RouteplaneError } from '../errors.ts'
import type { Caller } from '../gateway/call.ts'
import type { KeyView } from '../routeplane.ts'
import { presentedIn, type TokenCheck } from './auth.ts'
import { pathOf } from './guard.ts'
import { MCP_PATH } from './mcp-route.ts'

/** Whom everything belongs to that came with the gateway's own token, or without one where none is asked for. */
export const LOCAL_CALLER = 'local'

const LOCAL: Caller = { id: LOCAL_CALLER, isOperator: true, pays: false }
const STRANGER: Caller = { id: 'stranger', isOperator: false, pays: true }

/** What our keys begin with, so that a key that is no longer good is told from the placeholder of an SDK. */
const KEY_PREFIX = 'rp_'

/** The key that a request shows, if it is one of ours by its looks. */
export function keyIn(incoming: IncomingMessage): string | undefined {
  return presentedIn(incoming).find((value) => value.startsWith(KEY_PREFIX))
}

export type CallerCheckOptions = {
  /** Absent when no token is asked for. */
  readonly token: TokenCheck | undefined
  /** Whether strangers are served at all. */
  readonly sells: boolean
  readonly keys: Pick<KeyView, 'identify'>
}

/** Answers at once but for a key, which is looked up anew each time: a revoked one is good for nothing. */
export type CallerCheck = (incoming: IncomingMessage) => Caller | Promise<Caller>

/** Tells callers apart that the guard has let through. @throws RouteplaneError `unauthorized` for a key that is not good. */
export function createCallerCheck({ token, sells, keys }: CallerCheckOptions): CallerCheck {
  const identify = async (key: string): Promise<Caller> => {
    const found = await keys.identify(key)
    if (found === undefined) {
      throw new RouteplaneError('unauthorized', 'this key is unknown, expired or revoked', {
        hint: 'Ask the operator of this gateway for another.',
      })
    }
    return { id: found.id, isOperator: false, pays: false, ...(found.models === undefined ? {} : { models: found.models }) }
  }
  return (incoming) => {
    if (token?.(incoming) === true) return LOCAL
    const key = keyIn(incoming)
    if (key !== undefined) return identify(key)
    return sells && token !== undefined ? STRANGER : LOCAL
  }
}

/** What anybody may read who buys or has a key: what there is, and the receipts of sales, whose ids nobody can guess. */
const READABLE = /^(?:\/v1(?:beta|alpha)?)?\/models(?:\/.*)?$|^\/v1\/receipts\/sale_[0-9a-z]{26}$/
/** What costs nothing and is asked before what does. */
const COUNTING = /^(?:\/v1)?\/messages\/count_tokens$|^(?:\/v1)?\/responses\/input_tokens$|^\/v1(?:beta|alpha)?\/models\/.+:countTokens$/
/** What a call would be sold for. */
const QUOTE = /^\/v1\/quote$/
/** A caller's own responses, which are kept under his key. */
const KEPT = /^(?:\/v1)?\/responses\/[^/]+(?:\/[a-z_]+)?$/

/**
 * Tells where callers may go without the gateway's own token.
 *
 * @param patterns - Paths of completions, as the router writes them.
 */
export function createPublicPaths(
  patterns: readonly string[],
  { sells }: { readonly sells: boolean },
): (incoming: IncomingMessage) => boolean {
  const completions = patterns.map(patternOf)
  return (incoming) => {
    const { method, url = '/' } = incoming
    const path = pathOf(url)
    const hasKey = keyIn(incoming) !== undefined
    if (!sells && !hasKey) return false
    if (sells && QUOTE.test(path)) return true
    // Sessions are listened to and ended there too, and each belongs to who opened it.
    if (hasKey && path === MCP_PATH) return true
    if (method !== 'POST') return READABLE.test(path) || (hasKey && KEPT.test(path))
    return completions.some((pattern) => pattern.test(path)) || (hasKey && (COUNTING.test(path) || KEPT.test(path)))
  }
}

/** Matches the paths that the router would take for one of its patterns, as they are written in a request. */
export function patternOf(pattern: string): RegExp {
  const inPattern = (_parameter: string, own: string | undefined) => (own === undefined ? '[^/]+' : `(?:${own})`)
  return new RegExp(`^${pattern.replace(/:\w+(?:\{([^{}]+)\})?/g, inPattern)}$`)
}
