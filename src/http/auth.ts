/** The gateway token: where callers may put it, and a comparison that takes the same time for every wrong one. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Secret } from '../lib/log.ts'
import { keyInQuery } from './google-routes.ts'

export type TokenCheck = (incoming: IncomingMessage) => boolean

const BEARER = /^Bearer +(\S+) *$/i

/** Accepts the token as a bearer, or in the header where an SDK of any of the wires puts its API key. */
export function createTokenCheck(token: Secret): TokenCheck {
  const expected = digest(token.reveal())
  return (incoming) => presentedIn(incoming).some((value) => timingSafeEqual(digest(value), expected))
}

/** Every token or key that a request shows. None of them may reach a log or an upstream. */
export function presentedIn({ headers, url }: IncomingMessage): readonly string[] {
  const places = [keyInQuery(url ?? '/'), BEARER.exec(headers.authorization ?? '')?.[1], headers['x-api-key'], headers['x-goog-api-key']]
  return places.filter((value) => typeof value === 'string')
}

/** Hashing first makes both sides equally long, which the comparison demands, and hides the length. */
function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest()
}
