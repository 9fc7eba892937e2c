/** One challenge of the Machine Payments Protocol: its parameters, read strictly and bounded, nothing of it judged yet. */
import { parseAuthenticate, type AuthChallenge } from '../../lib/authenticate.ts'
import type { HttpHeaders } from '../../lib/http-call.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { badChallenge } from './challenge.ts'

export type MppChallenge = {
  /** Of the protection space; together with the id it is what a payment is bound to. */
  readonly realm: string
  readonly id: string
  /** The payment method and what is meant with it: `evm` and `charge`. */
  readonly method: string
  readonly intent: string
  /** What the method asks for. */
  readonly request: Readonly<Record<string, unknown>>
  /** Milliseconds since 1970. */
  readonly expiresAt?: number
  /** `sha-256` of the request's body, base64, when the payment is for this body alone. */
  readonly bodyDigest?: string
  /** The request header that the credential goes into. */
  readonly credentialHeader: 'Authorization' | 'Payment-Authorization'
  /** The parameters as they came: the credential repeats them, and the seller checks its own seal over them. */
  readonly echo: Readonly<Record<string, string>>
}

/** The specification asks sellers to stay below eight kilobytes, and an honest one offers two or three ways. */
const MAX_CHARACTERS = 16 * 1024
const MAX_CHALLENGES = 8
const MAX_DEPTH = 12
const ECHOED = ['id', 'realm', 'method', 'intent', 'request', 'description', 'digest', 'expires', 'header', 'opaque'] as const
const credentialHeaders = ['Authorization', 'Payment-Authorization'] as const

/**
 * Reads every `Payment` challenge of a response; other schemes beside it are none of ours.
 *
 * @returns `undefined` when there is none.
 * @throws RouteplaneError `bad_challenge` when there is one, but broken or beyond our bounds.
 * @see https://paymentauth.org (draft-httpauth-payment, section 5.1)
 */
export function readMppChallenges(headers: HttpHeaders): readonly MppChallenge[] | undefined {
  const lines = [headers['www-authenticate'] ?? []].flat()
  if (!lines.some((line) => /(?:^|[\s,])payment(?:[\s,]|$)/i.test(line))) return undefined
  const size = lines.reduce((sum, line) => sum + line.length, 0)
  if (size > MAX_CHARACTERS) throw badChallenge(`its WWW-Authenticate headers have ${size} characters; at most ${MAX_CHARACTERS} are read`)
  const challenges = lines.flatMap(parseAuthenticate).filter(({ scheme }) => scheme.toLowerCase() === 'payment')
  if (challenges.length > MAX_CHALLENGES)
    throw badChallenge(`it offers ${challenges.length} ways to pay; at most ${MAX_CHALLENGES} are read`)
  return challenges.length === 0 ? undefined : challenges.map(readChallenge)
}

function readChallenge({ parameters }: AuthChallenge): MppChallenge {
  const required = (name: string): string => {
    const value = parameters.get(name)
    if (value === undefined || value === '') throw badChallenge(`its Payment challenge has no ${name}`)
    return value
  }
  const request = decodeJson(required('request'))
  if (request === undefined) throw badChallenge('the request of its Payment challenge is not base64url of a JSON object')
  const expires = parameters.get('expires')
  const digest = parameters.get('digest')
  return {
    id: required('id'),
    realm: required('realm'),
    method: required('method'),
    intent: required('intent'),
    request,
    ...(expires === undefined ? {} : { expiresAt: readTime(expires) }),
    ...(digest === undefined ? {} : { bodyDigest: readDigest(digest) }),
    credentialHeader: readHeader(parameters.get('header')),
    echo: Object.fromEntries(ECHOED.flatMap((name) => (parameters.has(name) ? [[name, parameters.get(name) ?? '']] : []))),
  }
}

/** Base64url without padding, as the protocol writes JSON everywhere; `undefined` for anything but an object. */
export function decodeJson(text: string): Record<string, unknown> | undefined {
  if (text.length > MAX_CHARACTERS || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const value = tryParseJson(Buffer.from(text, 'base64url').toString('utf8'), MAX_DEPTH)
  return isRecord(value) ? value : undefined
}

const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
function readTime(text: string): number {
  const time = DATE_TIME.test(text) ? Date.parse(text.toUpperCase()) : Number.NaN
  if (Number.isNaN(time)) throw badChallenge('its Payment challenge expires at a time that cannot be read')
  return time
}

/** Written with the colons of a structured field by some, without by others. */
function readDigest(text: string): string {
  const digest = /^sha-256=:?([A-Za-z0-9+/]{43}=):?$/.exec(text)?.[1]
  if (digest === undefined) throw badChallenge('its Payment challenge has a digest that cannot be read')
  return digest
}

/** A seller must not choose the header freely: ours carry keys, lengths and hosts. */
function readHeader(text: string | undefined): MppChallenge['credentialHeader'] {
  if (text === undefined) return 'Authorization'
  const header = credentialHeaders.find((name) => name.toLowerCase() === text.toLowerCase())
  if (header === undefined) throw badChallenge(`it wants the payment in the header ${JSON.stringify(text.slice(0, 40))}`)
  return header
}
