/** A payer whose node was down at the wrong moment, and that comes back when the chain has gone on by more blocks than one looks back. */
import { expect, it, onTestFinished } from 'vitest'
import { createChain } from '../../src/chain/chain.ts'
import { tempoCharge } from '../../src/demo/mpp-method.ts'
import { startMppProvider } from '../../src/demo/mpp-provider.ts'
import { startDemoNetwork } from '../../src/demo/network.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork } from '../../src/demo/tempo-network.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { syncChannel } from '../../src/payment/channel/sync.ts'
import { createResolver } from '../../src/payment/resolver.ts'
import { startRelay } from '../gateway/relay.ts'
import { randomHex } from '../support/chain.ts'
import {
  ask,
  expectBalanced,
  openEngine,
  readBooks,
  writeWorld,
  type SellerEntry,
  type World,
  type WorldNetwork,
} from '../support/engine.ts'
import { startNodeProxy } from '../support/node-proxy.ts'
import { verifies } from '../support/verifies.ts'

const prices = { prompt: '0.000001', completion: '0.000005' }

type Node = { isDown: boolean }

/** Its node can be down for the payer alone. */
async function lossy<Network extends WorldNetwork>(network: Network & { stop(): Promise<void> }) {
  onTestFinished(() => network.stop())
  const node: Node = { isDown: false }
  const rpcUrl = await startNodeProxy(network.anvil.rpc, () => (node.isDown ? 'hang-up' : undefined))
  return { network, node, payersOwn: { ...network, rpcUrl } }
}

/** Forty blocks, in more time than anybody's clock is wrong by. */
const letTimePass = ({ anvil }: WorldNetwork) => anvil.rpc('anvil_mine', ['0x28', '0x190'])

/** What another process of the same payer does when it comes: it looks back fifteen blocks, and for the rest where the rest must be. */
async function comeBack({ ledgerPath, network: { network, anvil } }: World): Promise<void> {
  const owner = formatOwner({ host: 'heir', pid: process.pid, startMs: systemClock.now() })
  const deps = { clock: systemClock, log: silentLog }
  const ledger = await openSqliteLedger({ path: ledgerPath, owner, ...deps })
  const chain = createChain({ network, rpcUrl: anvil.url, lookbackBlocks: 15n })
  const world = { ...deps, ledger, chainOf: () => chain }
  const resolver = createResolver(world)
  try {
    await resolver.recover()
    for (const channel of await ledger.channels.list({})) await syncChannel(channel, { ...world, resolver })
  } finally {
    await resolver.close()
    await ledger.close()
  }
}

async function startCharging(network: Awaited<ReturnType<typeof startTempoNetwork>>): Promise<SellerEntry & { stop(): Promise<void> }> {
  const methods = [await tempoCharge({ network, payTo: randomHex(20) })]
  return { ...(await startMppProvider({ id: 'first', prices, methods })), mode: 'mpp' }
}

const openTempo = async () => {
  const world = await lossy(await startTempoNetwork())
  return { ...world, seller: await startCharging(world.network) }
}
const openBase = async () => {
  const world = await lossy(await startDemoNetwork())
  return { ...world, seller: await world.network.startProvider({ id: 'first', prices }) }
}

it.each([
  ['tempo/charge', openTempo],
  ['exact', openBase],
] as const)('finds a payment by %s that was made when its node was down', async (_, open) => {
  verifies('card.pay.unknown_outcome', 'card.receipt.verified')
  const { network, node, payersOwn, seller } = await open()
  onTestFinished(() => seller.stop())
  const relay = await startRelay(seller, {
    instead: (_request, paid) => {
      node.isDown = paid > 0
      return undefined
    },
  })
  const world = await writeWorld(payersOwn, { sellers: [relay], perRequestUsd: '0.05' })
  const engine = await openEngine(world)
  expect((await ask(await engine.serve())).status).toBe(200)
  await engine.close()
  expect((await readBooks(world)).open).toHaveLength(1)
  await letTimePass(network)
  await comeBack(world)
  const books = await readBooks(world)
  expect(books.rows).toMatchObject([{ state: 'settled' }])
  expectBalanced(books)
})

it('reads how a session ended that its seller closed when its node was down', async () => {
  verifies('card.receipt.verified')
  const { network, node, payersOwn } = await lossy(await startTempoNetwork())
  const seller = await startSessionProvider({ id: 'first', network, prices })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(payersOwn, { sellers: [seller], perRequestUsd: '0.05' })
  await allowReserve(network, world.payer)
  const leave = (await readBooks(world)).transfers.length
  const engine = await openEngine(world)
  expect((await ask(await engine.serve())).status).toBe(200)
  const [opened] = await engine.routeplane.channels.list()
  const id = opened?.id ?? '0x'
  const before = await network.chain.balanceOf(network.asset.address, world.payer)
  seller.faults.instead = (credential) => {
    node.isDown = credential !== null
    return undefined
  }
  await expect(engine.routeplane.channels.close(id)).rejects.toMatchObject({ code: 'upstream_unreachable' })
  await engine.close()
  const returned = (await network.chain.balanceOf(network.asset.address, world.payer)) - before
  expect(returned).toBeGreaterThan(0n)

  await letTimePass(network)
  await comeBack(world)
  node.isDown = false
  const heir = await openEngine(world)
  const [channel] = await heir.routeplane.channels.list()
  expect(channel).toMatchObject({ state: 'open', returned, charged: (channel?.deposited ?? 0n) - returned })
  expect(await heir.routeplane.channels.close(id)).toMatchObject({ state: 'closed', returned })
  await heir.close()
  const books = await readBooks(world)
  expectBalanced({ ...books, transfers: books.transfers.slice(leave) })
})
