/** The gateway of a demonstration: an engine on a config, served on loopback while some work is done. */
import type { Config } from '../config/config.ts'
import { DEFAULT_PORT } from '../config/schema.ts'
import type { Log } from '../lib/log.ts'
import { createRouteplane, type Routeplane } from '../routeplane.ts'
import { readVersion } from './version.ts'

/** Opens an engine and a gateway before it for one piece of work, and closes both whatever happens. */
export async function withGateway(
  config: Config,
  log: Log,
  keep: boolean,
  work: (routeplane: Routeplane, url: string) => Promise<void>,
): Promise<void> {
  const [{ serveHttp }, { protocols }, { foldParts }] = await Promise.all([
    import('../http/serve.ts'),
    import('../protocol/index.ts'),
    import('../completion/fold.ts'),
  ])
  const routeplane = await createRouteplane(config, { log, version: readVersion() })
  try {
    const port = keep ? DEFAULT_PORT : 0
    const server = await serveHttp(routeplane, {
      host: '127.0.0.1',
      port,
      skipAuth: true,
      log,
      protocols,
      foldParts,
      version: readVersion(),
      mcp: async () => (await import('../mcp/http.ts')).createMcpHttp(routeplane, { log, version: readVersion() }),
    })
    try {
      await work(routeplane, server.url)
    } finally {
      await server.close()
    }
  } finally {
    await routeplane.close()
  }
}
