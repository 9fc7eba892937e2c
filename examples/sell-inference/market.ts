/** A local chain, a provider who wants to be paid, a gateway that sells what it buys there, and buyers with play money. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { foldParts } from '../../src/completion/fold.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startDemoNetwork, type DemoNetwork } from '../../src/demo/network.ts'
import { serveHttp } from '../../src/http/serve.ts'
import { Secret, silentLog } from '../../src/lib/log.ts'
import { createMcpHttp } from '../../src/mcp/http.ts'
import type { Atomic } from '../../src/money.ts'
import { protocols } from '../../src/protocol/index.ts'
import { createRouteplane, type Routeplane } from '../../src/routeplane.ts'

export const configFile = fileURLToPath(new URL('routeplane.yaml', import.meta.url))

/** As in the file, where addresses are written out: whoever could change a variable could take the money. */
const SELLER = '0x5e11e45e11e45e11e45e11e45e11e45e11e45e11'
const PROVIDER = '0x7421f77421f77421f77421f77421f77421f77421'

export type Market = {
  /** Of the gateway. */
  readonly url: string
  readonly routeplane: Routeplane
  /** Where the gateway is paid to, and what it pays from. */
  readonly accounts: { readonly seller: `0x${string}`; readonly wallet: `0x${string}` }
  /** Somebody with five play dollars, and no account with anybody. */
  createBuyer(): Promise<PrivateKeyAccount>
  /** Base units of the play dollar, which has six decimals. */
  balanceOf(owner: `0x${string}`): Promise<bigint>
  close(): Promise<void>
}

/** Starts everything on free loopback ports; `close` leaves nothing behind. */
export async function openMarket(): Promise<Market> {
  const prices = { prompt: '0.00001', completion: '0.00005' }
  const network = await startDemoNetwork({ providers: [{ id: 'thrift', payTo: PROVIDER, prices }] })
  const home = mkdtempSync(join(tmpdir(), 'routeplane-example-'))
  const token = new Secret(generatePrivateKey())
  const [provider] = network.providers
  if (provider === undefined) throw new Error('the demo network has no provider')
  const variables = {
    ROUTEPLANE_HOME: home,
    ROUTEPLANE_TOKEN: token.reveal(),
    GAS_KEY: await createGasKey(network),
    PROVIDER_URL: provider.baseUrl,
    PROVIDER_MODELS_URL: provider.modelsUrl,
    WALLET_KEY: network.payer.privateKey.reveal(),
    RPC_URL: network.rpcUrl,
  }
  const routeplane = await createRouteplane(await loadConfig({ file: configFile, environment: createEnvironment(variables, home, home) }))
  await routeplane.ready()
  const about = { log: silentLog, version: 'example' }
  const mcp = async () => createMcpHttp(routeplane, about)
  const server = await serveHttp(routeplane, { ...about, host: '127.0.0.1', port: 0, skipAuth: false, token, protocols, foldParts, mcp })
  return {
    url: server.url,
    routeplane,
    accounts: { seller: SELLER, wallet: network.payer.address },
    async createBuyer() {
      const account = privateKeyToAccount(generatePrivateKey())
      await network.mint(account.address, 5_000_000n as Atomic)
      return account
    },
    balanceOf: (owner) => network.chain.balanceOf(network.asset.address, owner),
    async close() {
      await server.close()
      await routeplane.close()
      await network.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** On a local chain gas is minted; elsewhere this key is sent some. */
async function createGasKey({ anvil }: DemoNetwork): Promise<string> {
  const key = generatePrivateKey()
  await anvil.rpc('anvil_setBalance', [privateKeyToAccount(key).address, '0xde0b6b3a7640000'])
  return key
}

/** Six decimals, as the play dollar has. */
export function dollars(units: bigint): string {
  return `$${units / 1_000_000n}.${(units % 1_000_000n).toString().padStart(6, '0')}`
}
