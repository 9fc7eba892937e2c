/** Whether the chains that the wallet pays on can be asked, and whether there is anything to pay with. */
import { findNetwork, solanaAssetsOf } from '../../chain/networks.ts'
import { toRouteplaneError } from '../../errors.ts'
import { fromAtomic, type Atomic } from '../../money.ts'
import type { Status } from '../../routeplane.ts'
import { money } from '../output.ts'
import { failed, inTime, type Check, type Examined, type Finding } from './check.ts'

export const nodes: Check = {
  name: 'chain',
  async look(examined) {
    const { config, routeplane } = examined
    const { wallet, solana } = await routeplane.status({ isOffline: true })
    const [evm, ofSolana] = await Promise.all([
      wallet === undefined ? [] : askEvm(config.wallet, wallet.address as `0x${string}`, examined),
      solana === undefined ? [] : askSolana(config.wallet.rpc, solana, examined),
    ])
    return [...evm, ...ofSolana]
  },
}

type Wallet = Examined['config']['wallet']

async function askEvm(wallet: Wallet, address: `0x${string}`, examined: Examined): Promise<readonly Finding[]> {
  const { openChains, walletAsset, walletNetworks } = await import('../../wallet/open.ts')
  const chainOf = openChains(wallet.rpc)
  return Promise.all(
    walletNetworks(wallet).map(async (network): Promise<Finding> => {
      const asset = walletAsset([network])
      if (asset === undefined) return { state: 'failed', subject: network, message: 'no token of it is known' }
      return findingOf({ ...asset, address, ask: () => inTime(chainOf(network).balanceOf(asset.address, address), examined) })
    }),
  )
}

async function askSolana(
  rpc: Wallet['rpc'],
  { address, problem, tokens }: NonNullable<Status['solana']>,
  examined: Examined,
): Promise<readonly Finding[]> {
  const { openSolanaChains } = await import('../../wallet/solana/open.ts')
  const chainOf = openSolanaChains(rpc)
  const assets = [...new Set(tokens.map(({ network }) => network))].flatMap(solanaAssetsOf)
  const found = await Promise.all(
    assets.map((asset) =>
      findingOf({ ...asset, address, ask: () => inTime(chainOf(asset.network).balanceOf(asset.address, address), examined) }),
    ),
  )
  return problem === undefined ? found : [...found, { state: 'warning', subject: 'Solana', message: problem }]
}

type Asked = {
  readonly network: string
  readonly symbol: string
  readonly decimals: number
  readonly address: string
  ask(): Promise<Atomic>
}

async function findingOf({ network, symbol, decimals, address, ask }: Asked): Promise<Finding> {
  try {
    const balance = await ask()
    const message = `its node answers; the wallet has ${money(fromAtomic(balance, decimals, 'down'))} ${symbol}`
    if (balance > 0n) return { state: 'ok', subject: network, message, isReached: true }
    const hint = `To pay there, send ${symbol} on ${findNetwork(network)?.chainName ?? network} to ${address}.`
    return { state: 'warning', subject: network, message, isReached: true, hint }
  } catch (thrown) {
    const error = toRouteplaneError(thrown)
    const hint = `If it stays so, set wallet.rpc["${network}"] in the config to a node that answers.`
    return error.code === 'upstream_unreachable'
      ? { state: 'failed', subject: network, message: 'its node does not answer', hint, isReached: false }
      : { ...failed(error), subject: network }
  }
}
