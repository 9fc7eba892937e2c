/** A local Tempo: an anvil that plays its test network, with the dollar that is minted there for everybody. */
import { createChain } from '../chain/chain.ts'
import { assetsOf, chainIdOf } from '../chain/networks.ts'
import { tempo } from '../../contracts-abi/assets.ts'
import { RouteplaneError } from '../errors.ts'
import { isRecord } from '../lib/json.ts'
import type { Atomic } from '../money.ts'
import { startAnvil } from './anvil.ts'
import type { DemoNetwork } from './network.ts'
import type { Rpc } from './rpc.ts'

/** What a wallet needs to pay on it; whoever is paid is started beside it. */
export type TempoNetwork = Pick<DemoNetwork, 'network' | 'rpcUrl' | 'asset' | 'anvil' | 'chain' | 'mint' | 'stop'>

/** Starts it; the first block of a fresh chain lies in 1970, so a second one is mined. */
export async function startTempoNetwork(options: { readonly anvilInstalledIn?: string } = {}): Promise<TempoNetwork> {
  const network = tempo.testnet
  const [asset] = assetsOf(network)
  if (asset === undefined) throw new RouteplaneError('internal', 'the Tempo test network has no asset')
  const installedIn = options.anvilInstalledIn
  const anvil = await startAnvil({ chainId: chainIdOf(network), tempo: true, ...(installedIn === undefined ? {} : { installedIn }) })
  await anvil.rpc('evm_mine')
  return {
    network,
    rpcUrl: anvil.url,
    asset,
    anvil,
    chain: createChain({ network, rpcUrl: anvil.url }),
    mint: (owner, amount) => give(anvil.rpc, asset.address, owner, amount),
    stop: () => anvil.stop(),
  }
}

/** The chain's first account has more of the dollar than anybody will ever spend. */
async function give(rpc: Rpc, token: string, owner: `0x${string}`, amount: Atomic): Promise<void> {
  const { encodeFunctionData, parseAbi } = await import('viem')
  const data = encodeFunctionData({ abi: parseAbi(['function transfer(address to, uint256 amount)']), args: [owner, amount] })
  const [from] = (await rpc('eth_accounts')) as readonly string[]
  const hash = await rpc('eth_sendTransaction', [{ from, to: token, data }])
  await rpc('evm_mine')
  const receipt = await rpc('eth_getTransactionReceipt', [hash])
  if (!isRecord(receipt) || receipt['status'] !== '0x1') throw new RouteplaneError('upstream_error', 'the test dollar was not given')
}
