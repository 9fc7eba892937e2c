/** Checks of a request's address and headers, made before a byte of its body is read. */
import type { IncomingMessage } from 'node:http'
import { RouteplaneError, answerStatus } from '../errors.ts'
import type { TokenCheck } from './auth.ts'
import { DISCOVERY_PATHS } from './discovery.ts'
import { MCP_METADATA_PATH, MCP_PATH, METADATA_PATHS, originOf } from './mcp-route.ts'

/** A refusal with the status it is answered with; most statuses follow from the code. */
export type Refusal = { readonly error: RouteplaneError; readonly status: number; readonly headers?: Readonly<Record<string, string>> }

/** `undefined` lets the request pass. */
export type Guard = (incoming: IncomingMessage) => Refusal | undefined

export type GuardOptions = {
  /** Host names besides the loopback ones; IPv6 addresses in brackets. */
  readonly allowHosts: readonly string[]
  /** Absent when the operator has turned authentication off. */
  readonly token?: TokenCheck
  /** Where callers without the token may go, because they pay there or have a key. */
  readonly isPublic?: (incoming: IncomingMessage) => boolean
}

/** Node drops what comes after its own limit, so the server's limit must be above this one for the check to see it. */
export const MAX_HEADERS = 100

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]']
const HOST = /^([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?$/
/** Answered without a token: they say that somebody is here, and what to show him. */
const OPEN_PATHS: readonly string[] = ['/', '/health', '/api/hello', ...METADATA_PATHS, ...DISCOVERY_PATHS]

/** Builds the guard for routed requests: address, then origin, then token, then media type. */
export function createGuard(options: GuardOptions): Guard {
  const names = hostNames(options.allowHosts)
  return (incoming) =>
    checkAddress(incoming, names) ??
    checkOrigin(incoming, names) ??
    checkToken(incoming, options) ??
    (incoming.method === 'POST' && !isBareCredential(incoming) && !isBareCancel(incoming) ? checkMedia(incoming) : undefined)
}

/** Builds the part of the guard that has to run before a URL is made of the request. */
export function createAddressGuard(allowHosts: readonly string[]): Guard {
  const names = hostNames(allowHosts)
  return (incoming) => checkAddress(incoming, names)
}

function hostNames(allowHosts: readonly string[]): ReadonlySet<string> {
  return new Set([...LOOPBACK_NAMES, ...allowHosts.map((name) => name.toLowerCase())])
}

/** Header count, `Host` and request target. @see RFC 9112, sections 3.2 and 3.2.2 */
function checkAddress(incoming: IncomingMessage, names: ReadonlySet<string>): Refusal | undefined {
  if (incoming.rawHeaders.length > MAX_HEADERS * 2) {
    return { ...refuse('too_many_headers', `the request has more than ${MAX_HEADERS} header fields`), headers: { connection: 'close' } }
  }
  // Node keeps the first of two Host fields; a proxy in front may have looked at the second.
  const hosts = countHosts(incoming.rawHeaders)
  if (hosts > 1) return refuse('duplicate_host', 'the request has more than one Host header')
  if (hosts === 0 && incoming.httpVersion === '1.1') return refuse('http_parse', 'the request has no Host header')
  if (!names.has(hostOf(incoming)?.name ?? '')) {
    return refuse('host_forbidden', 'the Host header names a host that this gateway does not serve', {
      hint: 'Call it as http://127.0.0.1 or http://localhost, or add the name to the allowed hosts of the gateway.',
    })
  }
  return checkTarget(incoming)
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name !== undefined && name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

function hostOf(incoming: IncomingMessage): { readonly name: string; readonly port: string } | undefined {
  const match = HOST.exec((incoming.headers.host ?? '').toLowerCase())
  return match?.[1] === undefined ? undefined : { name: match[1], port: match[2] ?? '' }
}

/** Characters and escapes that different readers of one path would resolve differently. */
const AMBIGUOUS = /\\|%(?:25|5c|[01][0-9a-f]|7f)/i
const ENCODED_SLASH = /%2f/i
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/

function checkTarget(incoming: IncomingMessage): Refusal | undefined {
  const target = incoming.url ?? ''
  if (target === '*') return notAllowed('GET, HEAD, POST')
  if (!target.startsWith('/')) return refuse('bad_target', 'the request target must be a path that begins with a slash')
  const path = pathOf(target)
  const decoded = decodePath(path)
  if (decoded === undefined || AMBIGUOUS.test(path) || DOT_SEGMENT.test(decoded)) {
    return refuse('bad_target', 'the path has an escape or a segment that could be read in two ways')
  }
  // SDKs that look up one model encode the slash of its id; everywhere else it would hide a segment.
  if (ENCODED_SLASH.test(path) && !(incoming.method !== 'POST' && /^(?:\/v1)?\/models\//.test(path))) {
    return refuse('bad_target', 'the path has an encoded slash')
  }
  return undefined
}

/** The path of a request target, still percent-encoded. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** The path as text, or `undefined` when its escapes are not UTF-8. */
export function decodePath(path: string): string | undefined {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/**
 * Refuses what a web page of another origin has sent: such a page can reach loopback without asking anybody.
 *
 * @see Fetch standard, "Origin header"; Fetch Metadata, "Sec-Fetch-Site"
 */
function checkOrigin(incoming: IncomingMessage, names: ReadonlySet<string>): Refusal | undefined {
  const { origin } = incoming.headers
  if (origin !== undefined && !isOwnOrigin(origin, hostOf(incoming)?.port ?? '', names)) {
    return refuse('origin_forbidden', 'web pages of this origin may not use the gateway')
  }
  if (incoming.headers['sec-fetch-site'] === 'cross-site') {
    return refuse('origin_forbidden', 'the request comes from a web page of another site')
  }
  return undefined
}

const ORIGIN = /^https?:\/\/(.+)$/

function isOwnOrigin(origin: string, port: string, names: ReadonlySet<string>): boolean {
  const host = HOST.exec((ORIGIN.exec(origin)?.[1] ?? '').toLowerCase())
  return host?.[1] !== undefined && names.has(host[1]) && (host[2] ?? '') === port
}

/** Whether a request has no body and carries a payment: it is about the payment alone. No page of another origin can send one. */
export function isBareCredential({ headers }: IncomingMessage): boolean {
  const { authorization = '', 'payment-authorization': own } = headers
  return (/^payment /i.test(authorization) || own !== undefined) && isBare(headers)
}

/** OpenAI's SDKs cancel a response by its path alone. @see https://platform.openai.com/docs/api-reference/responses/cancel */
function isBareCancel({ headers, url = '' }: IncomingMessage): boolean {
  return /^(?:\/v1)?\/responses\/[^/]+\/cancel$/.test(pathOf(url)) && isBare(headers)
}

/** Whether there is no body whose form could be wrong. */
function isBare(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
}

const JSON_MEDIA = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i

/** A page may post `text/plain` to loopback without a preflight, so only JSON that says so is read. */
function checkMedia(incoming: IncomingMessage): Refusal | undefined {
  if (!JSON_MEDIA.test(incoming.headers['content-type'] ?? '')) {
    return refuse('unsupported_media_type', 'the body must be sent as application/json in UTF-8', {
      hint: 'Set the header content-type: application/json.',
    })
  }
  const encoding = incoming.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return refuse('unsupported_encoding', 'compressed request bodies are not read', { hint: 'Send the body without content-encoding.' })
  }
  return undefined
}

function checkToken(incoming: IncomingMessage, { token, isPublic }: GuardOptions): Refusal | undefined {
  if (
    token === undefined ||
    token(incoming) ||
    isPublic?.(incoming) === true ||
    (incoming.method !== 'POST' && OPEN_PATHS.includes(pathOf(incoming.url ?? '')))
  ) {
    return undefined
  }
  const refusal = refuse('unauthorized', 'the gateway token is missing or wrong', {
    hint: 'Send it as Authorization: Bearer <token> or as x-api-key.',
  })
  // MCP clients look there for where tokens come from. @see RFC 9728, section 5.1
  const pointer = pathOf(incoming.url ?? '') === MCP_PATH ? `, resource_metadata="${originOf(incoming)}${MCP_METADATA_PATH}"` : ''
  return { ...refusal, headers: { 'www-authenticate': `Bearer realm="routeplane"${pointer}` } }
}

/** The refusal of a method that the path does not take. @see RFC 9110, section 15.5.6 */
export function notAllowed(allow: string): Refusal {
  return { ...refuse('method_not_allowed', 'the path does not take this method'), headers: { allow } }
}

function refuse(code: RouteplaneError['code'], message: string, options?: { readonly hint: string }): Refusal {
  const error = new RouteplaneError(code, message, options)
  return { error, status: answerStatus(error) }
}
