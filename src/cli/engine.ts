/** The engine of a real process: each part is loaded by the first command that needs it. */
import { compileEarly } from './compile-early.ts'
import type { Engine, KeystorePort } from './context.ts'
import { readVersion } from './version.ts'

/** Loads nothing yet. */
export function createEngine(): Engine {
  return {
    async open(config, log) {
      const { createRouteplane } = await import('../routeplane.ts')
      return createRouteplane(config, { log, version: readVersion() })
    },
    async serveHttp(routeplane, options) {
      compileEarly()
      const [{ serveHttp }, { protocols }, { foldParts }] = await Promise.all([
        import('../http/serve.ts'),
        import('../protocol/index.ts'),
        import('../completion/fold.ts'),
      ])
      const version = readVersion()
      const mcp = async () => (await import('../mcp/http.ts')).createMcpHttp(routeplane, { log: options.log, version })
      return serveHttp(routeplane, { ...options, protocols, foldParts, version, mcp })
    },
    async captureStdout() {
      const { captureStdout } = await import('../mcp/capture-stdout.ts')
      return captureStdout()
    },
    async serveMcpStdio(open, options) {
      const { serveMcpStdio } = await import('../mcp/stdio.ts')
      return serveMcpStdio(open, { ...options, version: readVersion() })
    },
    async runDemo(options) {
      if (options.schemes) {
        const { runSchemes } = await import('./demo-schemes.ts')
        await runSchemes(options)
        return
      }
      const { runDemo } = await import('./demo-story.ts')
      await runDemo(options)
    },
    keystore: lazyKeystore(),
  }
}

function lazyKeystore(): KeystorePort {
  return {
    async create(options) {
      const { createKeystore } = await import('../wallet/keystore.ts')
      return createKeystore(options)
    },
    async importKey(options) {
      const { importKeystore } = await import('../wallet/keystore.ts')
      return importKeystore(options)
    },
    async createSolana(options) {
      const { createSolanaKeystore } = await import('../wallet/solana/keystore.ts')
      return createSolanaKeystore(options)
    },
    async importSolana(options) {
      const { importSolanaKeystore } = await import('../wallet/solana/keystore.ts')
      return importSolanaKeystore(options)
    },
    async reveal(options) {
      const { revealKeystore } = await import('../wallet/keystore.ts')
      return revealKeystore(options)
    },
    async revealSolana(options) {
      const { revealSolanaKeystore } = await import('../wallet/solana/keystore.ts')
      return revealSolanaKeystore(options)
    },
  }
}
