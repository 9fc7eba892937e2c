/** Finds the API key for a provider and says which headers show it. */
import { RouteplaneError } from '../errors.ts'
import { Secret } from '../lib/log.ts'
import type { Provider } from '../registry/endpoint.ts'

export type KeySources = {
  /** Keys the user's config gives, by provider id. */
  readonly configured: (providerId: string) => Secret | undefined
  /** Variables of the environment, read once by the config layer. */
  readonly variable: (name: string) => Secret | undefined
}

/**
 * Gives the key the user has for a provider; `undefined` when he has none or the provider asks for none.
 *
 * A provider of the config has the key its block resolved to and no other: the block may have moved a well-known id to another
 * address, and the variable of that id must not follow. A provider of the registry has the variable its manifest names, which
 * can only be its own.
 *
 * @throws RouteplaneError `config_invalid` when the variable holds what no header can carry; the text itself is not shown.
 */
export function findApiKey(provider: Provider, sources: KeySources): Secret | undefined {
  if (provider.source === 'config') return sources.configured(provider.id)
  if (provider.access.kind === 'none') return undefined
  const { env } = provider.access
  const text = sources.variable(env)?.reveal().trim()
  if (text === undefined || text === '') return undefined
  if (/^[\x21-\x7e]+$/.test(text)) return new Secret(text)
  throw new RouteplaneError('config_invalid', `the variable ${env} holds characters that no header can carry`, {
    hint: `Set ${env} to the key alone: printable ASCII without blanks.`,
  })
}

/**
 * Gives the headers that show a key to a provider; lower-case names. A manifest's own header wins over the protocol's.
 *
 * @param authorize - How the endpoint's protocol shows a key.
 */
export function keyHeaders(
  provider: Provider,
  apiKey: string,
  authorize: (apiKey: string) => Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const header = provider.access.kind === 'api_key' ? provider.access.header : undefined
  if (header === undefined) return authorize(apiKey)
  // RFC 6750, section 2.1: this header names its scheme; any other carries the bare key.
  return { [header]: header === 'authorization' ? `Bearer ${apiKey}` : apiKey }
}
