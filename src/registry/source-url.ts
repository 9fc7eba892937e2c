/** Which URLs a provider may give: https to a public host, or loopback where that is allowed. */
import { isIP } from 'node:net'
import * as z from 'zod'
import { addressKind, bareHost, isLoopbackHost } from '../lib/private-address.ts'
import { complain } from './problem.ts'
import { quoted } from './scalar.ts'

export type UrlRules = {
  /** Whether http and https to this machine are allowed: a user's own server, or a test. */
  readonly allowLoopback: boolean
  /** Whether a public host may have any port; a stranger's manifest may not point us at other services. */
  readonly anyPort: boolean
  /** Whether a query may stand in it; a base URL has none, because wires append their paths. */
  readonly allowQuery?: boolean
}

export type UrlProblem = {
  readonly code: 'invalid_url' | 'bad_scheme' | 'insecure_url' | 'credentials_in_url' | 'private_address' | 'port_forbidden'
  readonly message: string
}

const HTTPS_PORTS = new Set(['', '443', '8443'])
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa|home|corp)$/

/**
 * Reads a URL of an untrusted file.
 *
 * Only the parsed host is judged, never the text: the parser has already turned decimal, octal, hexadecimal, short and
 * full-width spellings of an address into the one that would be called. A name can still resolve to a private address, so
 * the transport judges again when it connects.
 *
 * @returns the URL without a trailing slash, or what is wrong with it.
 * @see https://www.rfc-editor.org/rfc/rfc6890 for the ranges that are not public
 */
export function readSourceUrl(text: string, rules: UrlRules): { readonly url: string } | UrlProblem {
  if (!isUrlText(text)) return { code: 'invalid_url', message: `${quoted(text)} is not a URL` }
  const url = new URL(text)
  return shapeProblem(url, rules) ?? hostProblem(url, rules) ?? { url: url.href.replace(/\/+$/, '') }
}

function shapeProblem(url: URL, rules: UrlRules): UrlProblem | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { code: 'bad_scheme', message: `${quoted(url.protocol)} is not https:` }
  }
  if (url.username !== '' || url.password !== '') return { code: 'credentials_in_url', message: 'a URL must not hold a user or password' }
  if (url.hash !== '') return { code: 'invalid_url', message: 'a URL here has no fragment' }
  if (url.search !== '' && rules.allowQuery !== true) return { code: 'invalid_url', message: 'a base URL has no query' }
  return undefined
}

function hostProblem({ hostname, protocol, port }: URL, rules: UrlRules): UrlProblem | undefined {
  if (isLoopbackHost(hostname)) {
    return rules.allowLoopback ? undefined : { code: 'private_address', message: `${quoted(hostname)} is this machine itself` }
  }
  if (isPrivateHost(hostname)) return { code: 'private_address', message: `${quoted(hostname)} is not a public host` }
  if (protocol === 'http:') return { code: 'insecure_url', message: 'http is only for this machine; use https' }
  if (rules.anyPort || HTTPS_PORTS.has(port)) return undefined
  return { code: 'port_forbidden', message: `port ${port} is not one of 443 and 8443` }
}

/** A link for people: it is shown and never called, so only its scheme and shape matter. */
export const link = z.string().transform((text, context): string => {
  const url = isUrlText(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url.href
  if (url === undefined) complain(context, 'invalid_url', `${quoted(text)} is not a URL`)
  else complain(context, 'bad_scheme', `${quoted(url.protocol)} is not https:`)
  return z.NEVER
})

/** A backslash is a slash to some readers of URLs and not to others; blanks and control characters are dropped by some. */
function isUrlText(text: string): boolean {
  return text.length <= 2048 && !/[\s\\\p{Cc}]/u.test(text) && URL.canParse(text)
}

/** Tells whether a parsed host name can only lead to a private place: a literal address, or a name no public zone holds. */
function isPrivateHost(hostname: string): boolean {
  const host = bareHost(hostname).replace(/\.$/, '').toLowerCase()
  if (isIP(host) !== 0) return addressKind(host) !== 'public'
  return !host.includes('.') || PRIVATE_NAME.test(host)
}
