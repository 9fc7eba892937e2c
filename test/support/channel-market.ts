/** A demo network that has the contracts of payment channels, and sellers that are paid over them. */
import { afterEach, beforeAll, expect } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { startChannelProvider, type ChannelProvider, type ChannelProviderOptions } from '../../src/demo/channel-provider.ts'
import type { DemoNetwork, DemoNetworkOptions } from '../../src/demo/network.ts'
import type { ChannelRow } from '../../src/ledger/channel.ts'
import { randomHex, useDemoNetwork } from './chain.ts'
import { expectBalanced, openEngine, writeWorld, type Books, type World, type WorldOptions } from './engine.ts'
import { readLedger } from './read-ledger.ts'

export type ChannelMarket = {
  readonly network: DemoNetwork
  /** Starts a seller with prices of its own; it is stopped after the test. */
  startSeller(options?: Partial<ChannelProviderOptions>): Promise<ChannelProvider>
}

/** One millionth of a dollar in, five out: amounts of tens of base units, whose sums show every unit. */
export const channelPrices = { prompt: '0.000001', completion: '0.000005' } as const

/** Call at the top of a file; the market is there from the first hook of the tests on. */
export function useChannelMarket(options: DemoNetworkOptions = {}): () => ChannelMarket {
  const current = useDemoNetwork(options)
  const sellers: ChannelProvider[] = []
  beforeAll(() => installChannelContracts(current().anvil.rpc))
  afterEach(async () => {
    await Promise.all(sellers.splice(0).map((seller) => seller.stop()))
  })
  return () => ({
    network: current(),
    async startSeller(wanted = {}) {
      const { asset, facilitator } = current()
      const seller = await startChannelProvider({
        id: 'channel',
        prices: channelPrices,
        payTo: randomHex(20),
        facilitator: facilitator.client,
        asset,
        ...wanted,
      })
      sellers.push(seller)
      return seller
    },
  })
}

/** Writes a world whose sellers are paid over channels. */
export async function worldOf({ network }: ChannelMarket, sellers: readonly ChannelProvider[], options: Partial<WorldOptions> = {}) {
  return writeWorld(network, { sellers: sellers.map((seller) => ({ ...seller, schemes: ['batch-settlement'] })), ...options })
}

/** A seller, a world that may pay it over channels, and the engine of that world at its address. */
export async function openTrade(market: ChannelMarket, options: Partial<WorldOptions> = {}) {
  const seller = await market.startSeller()
  const world = await worldOf(market, [seller], options)
  const engine = await openEngine(world)
  return { seller, world, engine, url: await engine.serve() }
}

/** Reads a world's channels as another process would. */
export function channelsOf(world: World): Promise<readonly ChannelRow[]> {
  return readLedger(world, ({ channels }) => channels.list({}))
}

/** What each voucher of the books came to. */
export function chargedOf({ rows }: Books): readonly bigint[] {
  return rows.flatMap(({ state, payment }) => (state === 'settled' && payment?.proof === 'voucher' ? [payment.amountSettled ?? 0n] : []))
}

/** Ledger and chain agree, and a seller who claims all that it can is paid exactly what the vouchers came to. */
export async function expectChannelsBalanced(
  { network }: ChannelMarket,
  world: World,
  seller: ChannelProvider,
  books: Books,
): Promise<void> {
  expectBalanced(books)
  expect(books.open).toEqual([])
  const charged = chargedOf(books).reduce((sum, amount) => sum + amount, 0n)
  const channels = await channelsOf(world)
  expect(channels.reduce((sum, channel) => sum + channel.charged, 0n)).toBe(charged)
  await seller.claims.claim()
  await seller.claims.settle()
  expect(await network.chain.balanceOf(network.asset.address, seller.payTo)).toBe(charged)
}
