/** The engine of a real process: each part is loaded by the first command that needs it. */
import type { Config } from '../config/config.ts'
import type { Engine, KeystorePort } from './context.ts'

/** Loads nothing yet. */
export function createEngine(): Engine {
  return {
    async open(config, log) {
      // @ts-expect-error joined with the composition root
      const { createRouteplane } = await import('../routeplane.ts')
      return await createRouteplane(config, { log })
    },
    async serveHttp(routeplane, options) {
      // @ts-expect-error joined with the HTTP surface
      const { serveHttp } = await import('../http/serve.ts')
      return await serveHttp(routeplane, options)
    },
    async captureStdout() {
      // @ts-expect-error joined with the MCP surface
      const { captureStdout } = await import('../mcp/capture-stdout.ts')
      return captureStdout()
    },
    async serveMcpStdio(routeplane, options) {
      // @ts-expect-error joined with the MCP surface
      const { serveMcpStdio } = await import('../mcp/stdio.ts')
      await serveMcpStdio(routeplane, options)
    },
    async runDemo(options) {
      // @ts-expect-error joined with the demo network
      const { runDemo } = await import('../demo/run.ts')
      await runDemo(options)
    },
    async reconcile(config: Config, options) {
      // @ts-expect-error joined with the payment layer
      const { reconcile } = await import('../payment/reconcile.ts')
      return await reconcile(config, options)
    },
    keystore: lazyKeystore(),
  }
}

function lazyKeystore(): KeystorePort {
  return {
    async create(options) {
      // @ts-expect-error joined with the wallet
      const { createKeystore } = await import('../wallet/keystore.ts')
      return await createKeystore(options)
    },
    async import(options) {
      // @ts-expect-error joined with the wallet
      const { importKeystore } = await import('../wallet/keystore.ts')
      return await importKeystore(options)
    },
  }
}
