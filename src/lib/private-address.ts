/** Tells public internet addresses from loopback, private and otherwise special ones. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

export type AddressKind = 'public' | 'loopback' | 'private'

/** Everything the IANA registry marks as not globally reachable, multicast and the reserved top included. */
const SPECIAL_IPV4 = [
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
] as const

/** Inside the global unicast block 2000::/3, which is the only one that is let through at all. */
const SPECIAL_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const special = listOf('ipv4', SPECIAL_IPV4)
const specialIpv6 = listOf('ipv6', SPECIAL_IPV6)
const globalIpv6 = listOf('ipv6', [['2000::', 3]])
const loopback = listOf('ipv4', [['127.0.0.0', 8]])
const mapped = listOf('ipv6', [['::ffff:0:0', 96]])

function listOf(family: 'ipv4' | 'ipv6', rows: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of rows) list.addSubnet(network, prefix, family)
  return list
}

/**
 * Classifies a literal address; a text that is none is `private`, because what cannot be judged is not let through.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 sibling (RFC 6890).
 */
export function addressKind(address: string): AddressKind {
  const plain = address.split('%')[0] ?? ''
  if (isIPv4(plain)) return ipv4Kind(plain)
  if (!isIPv6(plain)) return 'private'
  if (plain === '::1' || new URL(`http://[${plain}]`).hostname === '[::1]') return 'loopback'
  if (mapped.check(plain, 'ipv6')) return ipv4Kind(embeddedIpv4(plain))
  return globalIpv6.check(plain, 'ipv6') && !specialIpv6.check(plain, 'ipv6') ? 'public' : 'private'
}

function ipv4Kind(address: string): AddressKind {
  if (loopback.check(address, 'ipv4')) return 'loopback'
  return special.check(address, 'ipv4') ? 'private' : 'public'
}

/** The last 32 bits of `::ffff:a.b.c.d`, in whatever spelling it came. */
function embeddedIpv4(address: string): string {
  const [high = '0', low = '0'] = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':').slice(-2)
  const bits = parseInt(high, 16) * 0x1_0000 + parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.')
}

/** Takes the brackets off an IPv6 host of a URL. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** Tells whether a URL's host names this machine: a loopback literal, `localhost` or a name below it (RFC 6761, 6.3). */
export function isLoopbackHost(hostname: string): boolean {
  const host = bareHost(hostname).toLowerCase().replace(/\.$/, '')
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return (isIPv4(host) || isIPv6(host)) && addressKind(host) === 'loopback'
}
