/** Where the registry of a config comes from: a directory, an address, or the one of the package. */
import { join } from 'node:path'
import { findApiKey } from '../access/api-key.ts'
import type { Config } from '../config/config.ts'
import { createTransport } from '../gateway/transport.ts'
import { Secret, type Log } from '../lib/log.ts'
import { createCanonicalIndex } from '../registry/canonical.ts'
import { loadRegistryDirectory, type RegistryDirectory } from '../registry/directory.ts'
import type { Provider } from '../registry/endpoint.ts'
import { packagedRegistry } from '../registry/packaged.ts'
import { createRemoteRegistry } from '../registry/remote.ts'
import { isLoopbackHost } from '../lib/private-address.ts'

export type RegistryContent = Pick<RegistryDirectory, 'canonical' | 'definitions'>

export type RegistrySource = {
  /** What can be known without asking anybody. */
  load(): Promise<RegistryContent>
  /** Asks for a newer one; `undefined` when what is there holds. Never rejects. */
  refresh(signal: AbortSignal): Promise<RegistryContent | undefined>
  close(): Promise<void>
}

/** A path wins over an address, and either over what the package brings. */
export function openRegistrySource(config: Config, log: Log): RegistrySource {
  const { path, url } = config.registry
  if (path === undefined && url !== undefined) return openRemote(url, config, log)
  const load = async () => (path === undefined ? loadPackaged(config) : told(await loadDirectory(path, config), log))
  return { load, refresh: async () => undefined, close: async () => {} }
}

function loadDirectory(path: string, config: Config): Promise<RegistryDirectory> {
  return loadRegistryDirectory(path, { allowLoopback: config.upstream.allowLoopback })
}

function told(content: RegistryDirectory, log: Log): RegistryContent {
  for (const { file, message } of content.problems) log.warn('registry file left out', { file, message })
  return content
}

/**
 * The package knows many providers; those count for which the user has a key, or a block of his own that says so. Others would
 * fill the list with models that nobody here can pay.
 */
async function loadPackaged(config: Config): Promise<RegistryContent> {
  const path = packagedRegistry()
  if (path === undefined) return { canonical: createCanonicalIndex([]), definitions: [] }
  const { canonical, definitions } = await loadRegistryDirectory(path)
  const own = new Set(config.providers.map(({ provider }) => provider.id))
  return { canonical, definitions: definitions.filter(({ provider }) => own.has(provider.id) || isPayable(provider, config)) }
}

function isPayable(provider: Provider, { environment }: Config): boolean {
  if (provider.access.kind === 'none' || provider.payment.modes.some((mode) => mode !== 'byok')) return true
  const variable = (name: string) => {
    const value = environment.get(name)
    return value === undefined ? undefined : new Secret(value)
  }
  return findApiKey(provider, { configured: () => undefined, variable }) !== undefined
}

/** The user may publish a registry on his own machine; its manifests get no nearer to it than any others. */
function openRemote(url: string, config: Config, log: Log): RegistrySource {
  const transport = createTransport({ allowLoopback: isLoopbackHost(new URL(url).hostname), timeouts: {} })
  const { allowLoopback } = config.upstream
  const cacheFile = join(config.stateDirectory, 'registry.json')
  const remote = createRemoteRegistry({ url, cacheFile, transport, log, allowLoopback })
  return {
    async load() {
      const kept = await remote.cached()
      return kept === undefined ? loadPackaged(config) : told(kept, log)
    },
    async refresh(signal) {
      const fresh = await remote.refresh(signal)
      return fresh === undefined ? undefined : told(fresh, log)
    },
    close: () => transport.close(),
  }
}
