/** One transport for all calls: loopback only for sources the user's own config names, everything else guarded. */
import type { Config } from '../config/config.ts'
import { createTransport } from '../gateway/transport.ts'
import type { Transport } from '../lib/http-call.ts'
import { memoize } from '../lib/memo.ts'

export type GuardedTransport = {
  readonly send: Transport
  /** Takes the loopback sources of another config. */
  allow(config: Config): void
  close(): Promise<void>
}

/**
 * Chooses by the origin of each call. A manifest that somebody else wrote cannot reach this machine, unless the config
 * says `upstream.allow_loopback`.
 */
export function createGuardedTransport(config: Config): GuardedTransport {
  const { timeouts, allowLoopback } = config.upstream
  const guarded = createTransport({ allowLoopback, timeouts })
  const open = createTransport({ allowLoopback: true, timeouts })
  const chooserOf = ({ providers }: Config) => {
    const own = new Set(providers.filter(({ isLoopback }) => isLoopback).map(({ provider }) => new URL(provider.baseUrl).origin))
    return memoize((url) => (own.has(originOf(url)) ? open : guarded))
  }
  let transportOf = chooserOf(config)
  return {
    send: (call, options) => transportOf(call.url)(call, options),
    allow(next) {
      transportOf = chooserOf(next)
    },
    close: async () => {
      await Promise.all([guarded.close(), open.close()])
    },
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}
