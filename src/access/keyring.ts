/** Which API key a provider is shown, and in which headers; keys are looked up, never copied around. */
import { findApiKey } from './api-key.ts'
import type { Secret } from '../lib/log.ts'
import type { Provider } from '../registry/endpoint.ts'

export type KeyringSources = {
  /** Keys and headers of the user's own config, by provider id. */
  readonly configured: ReadonlyMap<string, { readonly apiKey?: Secret; readonly headers: Readonly<Record<string, Secret>> }>
  /** The environment, for providers of the registry: the variable is the one their manifest names. */
  readonly variable: (name: string) => Secret | undefined
}

export type Keyring = {
  /** @throws RouteplaneError `config_invalid` when a variable holds what no header can carry. */
  keyOf(provider: Provider): Secret | undefined
  /** Headers besides the key: fixed ones of the manifest, then the user's own. */
  headersOf(provider: Provider): Readonly<Record<string, string>>
}

export function createKeyring({ configured, variable }: KeyringSources): Keyring {
  const sources = { configured: (id: string) => configured.get(id)?.apiKey, variable }
  // Every decision asks for the key of everybody eligible; sources never change.
  const found = new WeakMap<Provider, { readonly key: Secret | undefined }>()
  return {
    keyOf(provider) {
      const known = found.get(provider)
      if (known !== undefined) return known.key
      const key = findApiKey(provider, sources)
      found.set(provider, { key })
      return key
    },
    headersOf(provider) {
      const fixed = provider.access.kind === 'api_key' ? provider.access.extraHeaders : {}
      const own = provider.source === 'config' ? (configured.get(provider.id)?.headers ?? {}) : {}
      return { ...fixed, ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value.reveal()])) }
    },
  }
}
