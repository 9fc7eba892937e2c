/** Pays with the user's own key for a provider, or with nothing where a source asks for nothing. */
import type { Secret } from '../lib/log.ts'
import { ZERO_USD } from '../money.ts'
import type { Endpoint, Provider } from '../registry/endpoint.ts'
import type { PaymentMode } from './mode.ts'

export type ByokDeps = {
  /** The key for a provider, from config or environment. */
  keyOf(provider: Provider): Secret | undefined
  /** Headers that carry a key to this endpoint. */
  authorize(endpoint: Endpoint, apiKey: string): Readonly<Record<string, string>>
}

export function createByok(deps: ByokDeps): PaymentMode {
  return {
    id: 'byok',

    offer(endpoint) {
      const { provider } = endpoint
      if (!provider.payment.modes.includes('byok')) return { available: false, reason: 'the provider does not take API keys' }
      if (provider.access.kind === 'none' || deps.keyOf(provider) !== undefined) return { available: true, overheadUsd: ZERO_USD }
      return { available: false, reason: `no API key: set ${provider.access.env}` }
    },

    async send(call) {
      const { provider } = call.endpoint
      const key = provider.access.kind === 'none' ? undefined : deps.keyOf(provider)
      const authorization = key === undefined ? {} : deps.authorize(call.endpoint, key.reveal())
      const extra = provider.access.kind === 'api_key' ? provider.access.extraHeaders : {}
      const response = await call.transport({ ...call.http, headers: { ...call.http.headers, ...extra, ...authorization } })
      return { response, payment: { mode: 'byok', blame: (error) => error, close: async () => {} } }
    },
  }
}
