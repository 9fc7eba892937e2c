/** A gateway that sells on a Tempo network that plays the real one, and callers with the official client of the protocol. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Mppx, sessionManager, tempo } from 'mppx/client'
import { createClient, http } from 'viem'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import { afterAll, beforeAll } from 'vitest'
import { tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import { channelReserveCode } from '../../src/demo/channel-reserve-artifact.ts'
import { installContract } from '../../src/demo/install-contract.ts'
import { allowReserve, announceOpenings } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { Atomic } from '../../src/money.ts'
import { createBuyer, writeKeyedShop, type ShopOptions } from './shop.ts'
import type { Script } from './upstream.ts'

/** Call at the top of a file; the network is there from the first hook of the tests on. Its reserve is the stand-in. */
export function useTempoNetwork(): () => TempoNetwork {
  let network: TempoNetwork | undefined
  let stop = (): void => {}
  beforeAll(async () => {
    const started = await startTempoNetwork()
    await installContract(started.anvil.rpc, tempoReserveAddress, channelReserveCode)
    const node = await startReserveNode(started)
    stop = node.stop
    network = { ...started, rpcUrl: node.url }
  })
  afterAll(async () => {
    stop()
    await network?.stop()
  })
  return () => {
    if (network === undefined) throw new Error('the network is only there inside tests and hooks')
    return network
  }
}

/** The chain's own node, but for what its reserve's stand-in has to be told of a transaction beforehand. */
async function startReserveNode({ anvil }: TempoNetwork): Promise<{ readonly url: string; stop(): void }> {
  const inTurn = announceOpenings(anvil.rpc)
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      void (async () => {
        const body = Buffer.concat(chunks).toString()
        const asked = JSON.parse(body) as { method: string; params?: readonly unknown[] }
        const text = await inTurn(asked, async () => {
          const answer = await fetch(anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
          return answer.text()
        })
        const said = asked.method === 'eth_fillTransaction' ? withRoom(text) : text
        outgoing.writeHead(200, { 'content-type': 'application/json' }).end(said)
      })().catch(() => outgoing.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** The node does not know what an opening does, and leaves too little for it. */
function withRoom(text: string): string {
  const answer = JSON.parse(text) as { result?: { tx?: { gas?: string } } }
  const { tx } = answer.result ?? {}
  return JSON.stringify(
    tx?.gas === undefined
      ? answer
      : { ...answer, result: { ...answer.result, tx: { ...tx, gas: `0x${(BigInt(tx.gas) * 3n).toString(16)}` } } },
  )
}

/** Sells what a provider with a key serves, for dollars of Tempo; the key that ends channels can pay for it. */
export async function writeTempoShop(network: TempoNetwork, script: Script, options: Partial<ShopOptions> = {}) {
  const charge = [`networks: ["${network.network}"]`, ...(options.charge ?? [])]
  const shop = await writeKeyedShop(network, script, { ...options, charge })
  const operator = privateKeyToAccount(shop.world.variables['TEST_FACILITATOR_KEY'] as `0x${string}`)
  await network.mint(operator.address, 10_000_000n as Atomic)
  return { ...shop, operator }
}

/** A caller with dollars of Tempo, whose channels the stand-in may fill. */
export async function createTempoBuyer(network: TempoNetwork): Promise<PrivateKeyAccount> {
  const buyer = await createBuyer(network)
  await allowReserve(network, buyer.address)
  return buyer
}

const clientOf =
  ({ rpcUrl }: TempoNetwork, account: PrivateKeyAccount) =>
  () =>
    createClient({ account, chain: tempoModerato, transport: http(rpcUrl), pollingInterval: 25 })

/** The official client, which pays for each request by itself. */
export function chargeClient(network: TempoNetwork, account: PrivateKeyAccount) {
  return Mppx.create({ polyfill: false, methods: [tempo.charge({ account, getClient: clientOf(network, account) })] })
}

/** The official client, which keeps a channel open from request to request. */
export function sessionClient(network: TempoNetwork, account: PrivateKeyAccount, maxDeposit = '1') {
  return Mppx.create({ polyfill: false, methods: [tempo.session({ account, getClient: clientOf(network, account), maxDeposit })] })
}

/** The official client's channel with one seller, opened at the first request and ended by `close`. */
export function managedSession(network: TempoNetwork, account: PrivateKeyAccount, maxDeposit = '1') {
  return sessionManager({ account, getClient: clientOf(network, account), maxDeposit })
}
