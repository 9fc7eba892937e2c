/** One transport for all calls: loopback only for sources the user's own config names, everything else guarded. */
import type { Config } from '../config/config.ts'
import { createTransport } from '../gateway/transport.ts'
import type { Transport } from '../lib/http-call.ts'
import { memoize } from '../lib/memo.ts'

/**
 * Chooses by the origin of each call. A manifest that somebody else wrote cannot reach this machine, unless the config
 * says `upstream.allow_loopback`.
 */
export function createGuardedTransport(config: Config): { readonly send: Transport; close(): Promise<void> } {
  const own = new Set(config.providers.filter(({ isLoopback }) => isLoopback).map(({ provider }) => new URL(provider.baseUrl).origin))
  const { timeouts, allowLoopback } = config.upstream
  const guarded = createTransport({ allowLoopback, timeouts })
  const open = createTransport({ allowLoopback: true, timeouts })
  const transportOf = memoize((url) => (own.has(originOf(url)) ? open : guarded))
  return {
    send: (call, options) => transportOf(call.url)(call, options),
    close: async () => {
      await Promise.all([guarded.close(), open.close()])
    },
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}
