/** Pays with the user's own key for a provider, or with nothing where a source asks for nothing. */
import { keyHeaders } from '../access/api-key.ts'
import type { Keyring } from '../access/keyring.ts'
import type { WireId } from '../completion/request.ts'
import { ZERO_USD } from '../money.ts'
import type { PaymentMode } from './mode.ts'
import { withoutSecrets } from './redact.ts'

export type ByokDeps = {
  readonly keyring: Keyring
  /** Headers that carry a key on a wire. */
  authorize(wire: WireId, apiKey: string): Readonly<Record<string, string>>
}

export function createByok({ keyring, authorize }: ByokDeps): PaymentMode {
  return {
    id: 'byok',

    offer(endpoint) {
      const { provider } = endpoint
      if (!provider.payment.modes.includes('byok')) return { available: false, reason: 'the provider does not take API keys' }
      if (provider.access.kind === 'none' || keyring.keyOf(provider) !== undefined) return { available: true, overheadUsd: ZERO_USD }
      return { available: false, reason: `no API key: set ${provider.access.env}` }
    },

    async send(call) {
      const { endpoint } = call
      const { access } = endpoint.provider
      const key = access.kind === 'none' ? undefined : keyring.keyOf(endpoint.provider)
      const own = keyring.headersOf(endpoint.provider)
      const headers = {
        ...call.http.headers,
        ...own,
        ...(key === undefined ? {} : keyHeaders(endpoint.provider, key.reveal(), (apiKey) => authorize(call.wire, apiKey))),
      }
      const secrets = [...Object.values(own), ...(key === undefined ? [] : [key.reveal()])]
      const response = withoutSecrets(await call.transport({ ...call.http, headers }), secrets)
      return { response, payment: { mode: 'byok', blame: (error) => error, close: async () => {} } }
    },
  }
}
