/** Who is asking: the operator himself, or a stranger who pays per call; and where strangers may come at all. */
import type { IncomingMessage } from 'node:http'
import type { TokenCheck } from './auth.ts'
import { pathOf } from './guard.ts'

export type Caller = {
  /** Whom everything he leaves behind belongs to. */
  readonly id: string
  /** Whether he pays for each call himself. */
  readonly pays: boolean
}

/** Whom everything belongs to that came with the gateway's own token, or without one where none is asked for. */
export const LOCAL_CALLER = 'local'

const LOCAL: Caller = { id: LOCAL_CALLER, pays: false }
const STRANGER: Caller = { id: 'stranger', pays: true }

export type CallerCheckOptions = {
  /** Absent when no token is asked for. */
  readonly token: TokenCheck | undefined
  /** Whether strangers are served at all. */
  readonly sells: boolean
}

/** Tells callers apart that the guard has let through. */
export function createCallerCheck({ token, sells }: CallerCheckOptions): (incoming: IncomingMessage) => Caller {
  return (incoming) => (sells && token?.(incoming) === false ? STRANGER : LOCAL)
}

/** What a stranger may read: what there is to buy, and the receipts of sales, whose ids nobody can guess. */
const READABLE = /^(?:\/v1(?:beta|alpha)?)?\/models(?:\/.*)?$|^\/v1\/receipts\/sale_[0-9a-z]{26}$/

/** @param patterns - Paths of completions, as the router writes them. */
export function createSalesPaths(patterns: readonly string[]): (incoming: IncomingMessage) => boolean {
  const inPattern = (_parameter: string, own: string | undefined) => (own === undefined ? '[^/]+' : `(?:${own})`)
  const completions = patterns.map((pattern) => new RegExp(`^${pattern.replace(/:\w+(?:\{([^{}]+)\})?/g, inPattern)}$`))
  return ({ method, url = '/' }) => {
    const path = pathOf(url)
    return method === 'POST' ? completions.some((pattern) => pattern.test(path)) : READABLE.test(path)
  }
}
