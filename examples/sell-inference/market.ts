/** Two local chains, a provider who wants to be paid, a gateway that sells what it buys there, and buyers with play money. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { foldParts } from '../../src/completion/fold.ts'
import { createEnvironment } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startDemoNetwork, type DemoNetwork } from '../../src/demo/network.ts'
import { startReserveNode } from '../../src/demo/reserve-node.ts'
import { allowReserve } from '../../src/demo/session-provider.ts'
import { startTempoNetwork } from '../../src/demo/tempo-network.ts'
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

/** Five play dollars, in base units. */
const FUNDS = 5_000_000n as Atomic
const BLOCK_MS = 1_000

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
  /** The same on Tempo, whose node this is. */
  readonly tempo: Pick<Market, 'createBuyer' | 'balanceOf'> & { readonly rpcUrl: string }
  close(): Promise<void>
}

/** Starts everything on free loopback ports; `close` leaves nothing behind. */
export async function openMarket(): Promise<Market> {
  const prices = { prompt: '0.00001', completion: '0.00005' }
  const network = await startDemoNetwork({ providers: [{ id: 'thrift', payTo: PROVIDER, prices }] })
  const tempo = await openTempo()
  const gasKey = await createGasKey(network)
  await tempo.mint(privateKeyToAccount(gasKey).address, FUNDS)
  const home = mkdtempSync(join(tmpdir(), 'routeplane-example-'))
  const token = new Secret(generatePrivateKey())
  const [provider] = network.providers
  if (provider === undefined) throw new Error('the demo network has no provider')
  const variables = {
    ROUTEPLANE_HOME: home,
    ROUTEPLANE_TOKEN: token.reveal(),
    GAS_KEY: gasKey,
    PROVIDER_URL: provider.baseUrl,
    PROVIDER_MODELS_URL: provider.modelsUrl,
    WALLET_KEY: network.payer.privateKey.reveal(),
    RPC_URL: network.rpcUrl,
    TEMPO_RPC_URL: tempo.rpcUrl,
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
      await network.mint(account.address, FUNDS)
      return account
    },
    balanceOf: (owner) => network.chain.balanceOf(network.asset.address, owner),
    tempo,
    async close() {
      await server.close()
      await routeplane.close()
      await Promise.all([network.stop(), tempo.stop()])
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Gas is paid in dollars there, and channels are opened with a stand-in of the network's own reserve. */
async function openTempo() {
  const network = await startTempoNetwork()
  const node = await startReserveNode(network)
  // Payments there are good for half a minute after the last block, and a chain that nobody uses has none.
  const blocks = setInterval(() => void network.anvil.rpc('evm_mine').catch(() => {}), BLOCK_MS)
  return {
    rpcUrl: node.url,
    mint: network.mint,
    async createBuyer() {
      const account = privateKeyToAccount(generatePrivateKey())
      await network.mint(account.address, FUNDS)
      await allowReserve(network, account.address)
      return account
    },
    balanceOf: (owner: `0x${string}`) => network.chain.balanceOf(network.asset.address, owner),
    async stop() {
      clearInterval(blocks)
      node.stop()
      await network.stop()
    },
  }
}

/** On a local chain gas is minted; elsewhere this key is sent some. */
async function createGasKey({ anvil }: DemoNetwork): Promise<`0x${string}`> {
  const key = generatePrivateKey()
  await anvil.rpc('anvil_setBalance', [privateKeyToAccount(key).address, '0xde0b6b3a7640000'])
  return key
}

/** Six decimals, as the play dollar has. */
export function dollars(units: bigint): string {
  return `$${units / 1_000_000n}.${(units % 1_000_000n).toString().padStart(6, '0')}`
}
