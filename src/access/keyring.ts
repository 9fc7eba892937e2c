/** Which API key a provider is shown, and in which headers; keys are looked up, never copied around. */
import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/log.ts'
import type { Provider } from '../registry/endpoint.ts'
import { createAccountPool, type Account, type AccountPool, type AccountStrategy } from './account-pool.ts'
import { findApiKey } from './api-key.ts'

/** What the user's own config says of one provider. */
type ConfiguredAccess = {
  readonly apiKey?: Secret
  /** In the place of one key. */
  readonly accounts?: readonly Account[]
  readonly accountStrategy?: AccountStrategy
  readonly headers: Readonly<Record<string, Secret>>
}

export type KeyringSources = {
  /** Keys and headers of the user's own config, by provider id. */
  readonly configured: ReadonlyMap<string, ConfiguredAccess>
  /** The environment, for providers of the registry: the variable is the one their manifest names. */
  readonly variable: (name: string) => Secret | undefined
  readonly clock: Pick<Clock, 'now'>
}

export type Keyring = {
  /** @throws RouteplaneError `config_invalid` when a variable holds what no header can carry. */
  keyOf(provider: Provider): Secret | undefined
  /** The accounts of a provider that has several. */
  accountsOf(provider: Provider): AccountPool | undefined
  /** Headers besides the key: fixed ones of the manifest, then the user's own. */
  headersOf(provider: Provider): Readonly<Record<string, string>>
}

export function createKeyring({ configured, variable, clock }: KeyringSources): Keyring {
  const pools = new Map<string, AccountPool>()
  for (const [id, { accounts, accountStrategy = 'failover' }] of configured)
    if (accounts !== undefined) pools.set(id, createAccountPool(accounts, accountStrategy, clock))
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
    accountsOf: (provider) => (provider.source === 'config' ? pools.get(provider.id) : undefined),
    headersOf(provider) {
      const fixed = provider.access.kind === 'api_key' ? provider.access.extraHeaders : {}
      const own = provider.source === 'config' ? configured.get(provider.id)?.headers : undefined
      if (own === undefined) return fixed
      return { ...fixed, ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value.reveal()])) }
    },
  }
}
