/** A demo network that has the contracts of payment channels, and sellers that are paid over them. */
import { afterEach, beforeAll } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { startChannelProvider, type ChannelProvider, type ChannelProviderOptions } from '../../src/demo/channel-provider.ts'
import type { DemoNetwork, DemoNetworkOptions } from '../../src/demo/network.ts'
import { randomHex, useDemoNetwork } from './chain.ts'

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
