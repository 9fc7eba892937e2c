/** A whole gateway on loopback, before providers that the test plays. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { foldParts } from '../../src/completion/fold.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { serveHttp } from '../../src/http/serve.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type McpHttpOptions, createMcpHttp } from '../../src/mcp/http.ts'
import { createLog } from '../../src/lib/log.ts'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import { protocols } from '../../src/protocol/index.ts'
import { createRouteplane, type Routeplane } from '../../src/routeplane.ts'
import { createFolder } from './folder.ts'

/** One provider: reached without a key, and asked for any model by `id:model` unless it has a list. */
export type PlayedProvider = {
  readonly id: string
  /** Below which the wire's own paths stand. */
  readonly baseUrl: string
  readonly wires: readonly ProtocolId[]
  /** Rows of `models:`, as YAML flow mappings. */
  readonly models?: readonly string[]
  readonly apiKey?: string
}

export type PlayedGateway = {
  /** Without a trailing slash. */
  readonly url: string
  readonly routeplane: Routeplane
  /** Everything logged, one JSON text a line. */
  readonly logged: readonly string[]
  close(): Promise<void>
}

/** Starts a gateway by a config as a user would write it. `lines` are more of its top-level lines. */
export async function startGateway(
  providers: readonly PlayedProvider[],
  lines: readonly string[] = [],
  mcp: Partial<McpHttpOptions> = {},
): Promise<PlayedGateway> {
  const folder = createFolder('gateway')
  const file = join(folder, 'routeplane.yaml')
  const blocks = providers.flatMap(({ id, baseUrl, wires, models, apiKey }) => [
    `  ${id}:`,
    `    api_base: ${baseUrl}`,
    `    api_protocol: [{ "*": [${wires.join(', ')}] }]`,
    ...(apiKey === undefined ? [] : [`    api_key: ${apiKey}`]),
    ...(models === undefined ? [] : ['    models:', ...models.map((row) => `      - ${row}`)]),
  ])
  const fixed = ['skip_auth: true', 'upstream: { allow_loopback: true }', 'ledger: { path: ./ledger.db }', 'wallet: { network: testnet }']
  writeFileSync(file, [...fixed, ...lines, 'providers:', ...blocks, ''].join('\n'))
  const environment = createEnvironment({ ROUTEPLANE_HOME: join(folder, 'home') }, folder, folder)
  const logged: string[] = []
  const log = createLog('debug', (line) => logged.push(line), systemClock.now)
  const routeplane = await createRouteplane(await loadConfig({ file, environment }), { log, version: 'test' })
  await routeplane.ready()
  const server = await serveHttp(routeplane, {
    host: '127.0.0.1',
    port: 0,
    skipAuth: true,
    drainMs: 1_000,
    log,
    protocols,
    foldParts,
    version: 'test',
    mcp: async () => createMcpHttp(routeplane, { log, version: 'test', ...mcp }),
  })
  return {
    url: server.url,
    routeplane,
    logged,
    async close() {
      await server.close()
      await routeplane.close()
    },
  }
}
