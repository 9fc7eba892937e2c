/** Which API key a provider is shown, and in which headers; keys are looked up, never copied around. */
import type { Secret } from '../lib/log.ts'
import type { Provider } from '../registry/endpoint.ts'

export type KeyringSources = {
  /** Keys and headers of the user's own config, by provider id. */
  readonly configured: ReadonlyMap<string, { readonly apiKey?: Secret; readonly headers: Readonly<Record<string, Secret>> }>
  /** The environment, for providers of the registry: the variable is the one their manifest names. */
  variable(name: string): Secret | undefined
}

export type Keyring = {
  keyOf(provider: Provider): Secret | undefined
  /** Headers besides the key: fixed ones of the manifest, then the user's own. */
  headersOf(provider: Provider): Readonly<Record<string, string>>
}

export function createKeyring({ configured, variable }: KeyringSources): Keyring {
  return {
    keyOf(provider) {
      const own = configured.get(provider.id)
      if (own !== undefined && provider.source === 'config') return own.apiKey
      return provider.access.kind === 'api_key' ? variable(provider.access.env) : undefined
    },
    headersOf(provider) {
      const fixed = provider.access.kind === 'api_key' ? provider.access.extraHeaders : {}
      const own = provider.source === 'config' ? (configured.get(provider.id)?.headers ?? {}) : {}
      return { ...fixed, ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value.reveal()])) }
    },
  }
}
