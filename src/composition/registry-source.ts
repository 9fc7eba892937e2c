/** Where the registry of a config comes from: a directory, an address, or the one of the package. */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { keyVariable } from '../config/configured-provider.ts'
import { createTransport } from '../gateway/transport.ts'
import type { Log } from '../lib/log.ts'
import { createCanonicalIndex } from '../registry/canonical.ts'
import { loadRegistryDirectory, type RegistryDirectory } from '../registry/directory.ts'
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
 * fill the list with models that nobody here can pay, and are not even read: that would cost every start.
 */
async function loadPackaged({ providers, environment }: Config): Promise<RegistryContent> {
  const nothing = { canonical: createCanonicalIndex([]), definitions: [] }
  const path = packagedRegistry()
  if (path === undefined) return nothing
  const own = new Set(providers.map(({ provider }) => provider.id))
  const isWanted = (id: string) => own.has(id) || environment.get(keyVariable(id)) !== undefined
  const files = await readdir(join(path, 'providers'))
  const others = files.filter((file) => !isWanted(basename(file, '.yaml')))
  if (own.size === 0 && others.length === files.length) return nothing
  return loadRegistryDirectory(path, { overlay: new Map(others.map((file) => [`providers/${file}`, undefined])) })
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
