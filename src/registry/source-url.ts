/** Which URLs a provider may give: https to a public host, or loopback where that is allowed. */
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
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
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { code: 'bad_scheme', message: `${quoted(url.protocol)} is not https:` }
  }
  if (url.username !== '' || url.password !== '') return { code: 'credentials_in_url', message: 'a URL must not hold a user or password' }
  if (url.hash !== '') return { code: 'invalid_url', message: 'a URL here has no fragment' }
  if (url.search !== '' && rules.allowQuery !== true) return { code: 'invalid_url', message: 'a base URL has no query' }
  const isLoopback = isLoopbackHost(url.hostname)
  if (isLoopback && !rules.allowLoopback) return { code: 'private_address', message: `${quoted(url.hostname)} is this machine itself` }
  if (!isLoopback && isPrivateHost(url.hostname)) {
    return { code: 'private_address', message: `${quoted(url.hostname)} is not a public host` }
  }
  if (url.protocol === 'http:' && !isLoopback) return { code: 'insecure_url', message: 'http is only for this machine; use https' }
  if (!isLoopback && !rules.anyPort && !HTTPS_PORTS.has(url.port)) {
    return { code: 'port_forbidden', message: `port ${url.port} is not one of 443 and 8443` }
  }
  return { url: url.href.replace(/\/+$/, '') }
}

/** The same as a piece of a schema. */
export function sourceUrl(rules: UrlRules) {
  return z.string().transform((text, context): string => {
    const read = readSourceUrl(text, rules)
    if ('url' in read) return read.url
    complain(context, read.code, read.message)
    return z.NEVER
  })
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
  return text.length <= 2048 && !/[\s\\\u0000-\u001f\u007f]/.test(text) && URL.canParse(text)
}

type Range = readonly [network: string, prefix: number]

const LOOPBACK = rangesOf([['127.0.0.0', 8]], [['::1', 128]])

const NOT_PUBLIC = rangesOf(
  [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 3],
  ],
  [
    ['::', 96],
    ['64:ff9b::', 96],
    ['64:ff9b:1::', 48],
    ['100::', 64],
    ['2001::', 23],
    ['2001:db8::', 32],
    ['2002::', 16],
    ['3fff::', 20],
    ['5f00::', 16],
    ['fc00::', 7],
    ['fe80::', 10],
    ['fec0::', 10],
    ['ff00::', 8],
  ],
)

/** Tells whether a parsed host name is this machine. */
export function isLoopbackHost(hostname: string): boolean {
  const host = bareHost(hostname)
  return host === 'localhost' || host.endsWith('.localhost') || isIn(LOOPBACK, host)
}

/** Tells whether a parsed host name can only lead to a private place: a literal address, or a name no public zone holds. */
export function isPrivateHost(hostname: string): boolean {
  const host = bareHost(hostname)
  if (isIP(host) !== 0) return isIn(NOT_PUBLIC, host)
  return !host.includes('.') || PRIVATE_NAME.test(host)
}

/** Without the brackets of IPv6 and the dot that ends a fully qualified name. */
function bareHost(hostname: string): string {
  return hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
}

function isIn(ranges: BlockList, host: string): boolean {
  const version = isIP(host)
  return version !== 0 && ranges.check(host, version === 6 ? 'ipv6' : 'ipv4')
}

/** Each IPv4 range is taken in its IPv4-mapped spelling too. */
function rangesOf(ipv4: readonly Range[], ipv6: readonly Range[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ipv4) {
    list.addSubnet(network, prefix, 'ipv4')
    list.addSubnet(`::ffff:${network}`, 96 + prefix, 'ipv6')
  }
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6')
  return list
}
