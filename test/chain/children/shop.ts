/** A gateway on the config it is given, which says where it listens, and lives until it is killed. */
import { foldParts } from '../../../src/completion/fold.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { serveHttp } from '../../../src/http/serve.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { protocols } from '../../../src/protocol/index.ts'
import { createRouteplane } from '../../../src/routeplane.ts'

const [, , file = ''] = process.argv
const config = await loadConfig({ file })
const routeplane = await createRouteplane(config, { version: 'test' })
await routeplane.ready()
const { authToken } = config
const server = await serveHttp(routeplane, {
  host: '127.0.0.1',
  port: 0,
  skipAuth: authToken === undefined,
  ...(authToken === undefined ? {} : { token: authToken }),
  log: silentLog,
  protocols,
  foldParts,
  version: 'test',
})
process.stdout.write(`${server.url}\n`)
