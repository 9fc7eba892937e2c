/** Keeps upstream calls off this machine's and its network's private addresses. */
import { lookup as lookupHost } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { RouteplaneError } from '../errors.ts'
import { addressKind, bareHost, isLoopbackHost } from '../lib/private-address.ts'

export type ResolvedAddress = { readonly address: string; readonly family: number }

export type AddressRules = {
  /** Lets calls go to this machine, also by plain http; never to other private addresses. */
  readonly allowLoopback: boolean
  /** Resolves a host name; the system's resolver unless given. */
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>
}

/**
 * Parses and judges a URL; an address written as a literal never reaches the resolver, so it is judged here.
 *
 * @throws {@link RouteplaneError} `private_address` or `upstream_unreachable`, with `details.sent` false.
 */
export function guardedUrl(text: string, allowLoopback: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw refused('upstream_unreachable', 'the upstream address is not a URL')
  const isLoopback = isLoopbackHost(url.hostname)
  if (url.username !== '' || url.password !== '') throw refused('upstream_unreachable', 'the upstream URL must not carry a user name')
  if (isLoopback && !allowLoopback) throw refused('private_address', 'the upstream is on this machine, which is not allowed')
  if (isIP(bareHost(url.hostname)) !== 0 && addressKind(bareHost(url.hostname)) === 'private') {
    throw refused('private_address', 'the upstream is on a private network')
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw refused('upstream_unreachable', 'the upstream URL must be https (plain http is for this machine only)')
  }
  return url
}

/** Resolves once and hands the very addresses it judged to the socket; one forbidden address among several refuses all. */
export function guardedLookup(config: AddressRules): LookupFunction {
  const resolve = config.lookup ?? ((hostname) => lookupHost(hostname, { all: true, verbatim: true }))
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const [first] = found
        const isForbidden = ({ address }: ResolvedAddress): boolean => {
          const kind = addressKind(address)
          return kind === 'private' || (kind === 'loopback' && !config.allowLoopback)
        }
        if (first === undefined) callback(unresolved(), '', 0)
        else if (found.some(isForbidden)) callback(refused('private_address', 'the upstream resolves to a private address'), '', 0)
        else if (options.all === true) callback(null, [...found])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

function unresolved(): RouteplaneError {
  return new RouteplaneError('upstream_unreachable', 'the upstream name has no address', { details: { phase: 'dns', sent: false } })
}

function refused(code: 'private_address' | 'upstream_unreachable', message: string): RouteplaneError {
  return new RouteplaneError(code, message, { details: { phase: 'address', sent: false } })
}
