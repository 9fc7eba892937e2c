/** What a wallet holds besides: what cannot be asked is left out, and nothing is asked that the config names no node for. */
import { expect, it } from 'vitest'
import type { Chain } from '../../../src/chain/chain.ts'
import { DEFAULT_MAINNET, DEFAULT_NETWORK, findAssetBySymbol } from '../../../src/chain/networks.ts'
import { readHoldings } from '../../../src/composition/holdings.ts'
import { RouteplaneError } from '../../../src/errors.ts'
import { parseUsd } from '../../../src/money.ts'
import type { Wallet } from '../../../src/wallet/wallet.ts'

const CELO = 'eip155:42220'
const wallet = { address: '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23' } as unknown as Wallet
const asset = findAssetBySymbol(DEFAULT_NETWORK, 'USDC')

function read(configured: readonly string[], networks: readonly string[] = [DEFAULT_NETWORK]) {
  const asked: string[] = []
  const chainOf = (network: string) =>
    ({
      network,
      balanceOf: async (token: string) => {
        asked.push(network)
        if (network === CELO && token !== findAssetBySymbol(CELO, 'USDT')?.address) return 0n
        if (network === 'eip155:137') throw new RouteplaneError('upstream_unreachable', 'no node')
        return 3_100_000n
      },
    }) as unknown as Chain
  return { asked, holdings: readHoldings({ wallet, asset, networks, configured, chainOf }) }
}

it('shows what lies on a network the wallet does not pay on, and does not guess where no node answers', async () => {
  const { holdings, asked } = read([DEFAULT_MAINNET, CELO, 'eip155:137', 'eip155:999999'])
  const balanceUsd = parseUsd('3.1')
  expect(await holdings).toEqual([
    { network: DEFAULT_MAINNET, chainName: 'Base', asset: 'USDC', balanceUsd, isPayable: false },
    { network: CELO, chainName: 'Celo', asset: 'USDT', balanceUsd, isPayable: false },
  ])
  expect(new Set(asked)).toEqual(new Set([DEFAULT_MAINNET, CELO, 'eip155:137']))
})

it('says of a network the wallet pays on that its tokens can be spent, and asks nobody without a node', async () => {
  expect(await read([CELO], [DEFAULT_NETWORK, CELO]).holdings).toMatchObject([{ asset: 'USDT', isPayable: true }])
  const unread = await read(['eip155:137'], [DEFAULT_NETWORK, 'eip155:137']).holdings
  expect(unread).toMatchObject([{ network: 'eip155:137', balanceUsd: undefined, isPayable: true }])
  const { holdings, asked } = read([])
  expect([await holdings, asked]).toEqual([[], []])
})
