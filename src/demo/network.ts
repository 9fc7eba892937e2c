/** A whole market in one process: a local chain, a test dollar, a facilitator, a funded payer and providers to pay. */
import type { FacilitatorClient } from '@x402/core/server'
import { getAddress } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { createChain } from '../chain/chain.ts'
import type { Chain } from '../chain/chain.ts'
import { DEFAULT_NETWORK, DEFAULT_SYMBOL, chainIdOf, findAssetBySymbol } from '../chain/networks.ts'
import type { AssetRow } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import { randomBytesOf } from '../lib/id.ts'
import { Secret } from '../lib/log.ts'
import type { Atomic } from '../money.ts'
import type { LocalFacilitator } from '../selling/facilitator/local.ts'
import { startAnvil } from './anvil.ts'
import type { Anvil } from './anvil.ts'
import { createFacilitator } from './facilitator.ts'
import { startPaidProvider } from './paid-provider.ts'
import type { PaidProvider, PaidProviderOptions } from './paid-provider.ts'
import { installTestDollar, mintTestDollar } from './test-dollar.ts'

/** A provider to be started; what it is paid to and by whom is the network's to say. */
export type DemoProviderOptions = Omit<PaidProviderOptions, 'payTo' | 'facilitator' | 'chain'> & {
  readonly payTo?: `0x${string}`
  readonly facilitator?: FacilitatorClient
}

export type DemoNetworkOptions = {
  /** See {@link AnvilOptions}. */
  readonly anvilInstalledIn?: string
  readonly providers?: readonly DemoProviderOptions[]
  /** Mines on a clock, as a real chain does, instead of with each transaction. */
  readonly blockTimeSeconds?: number
  /** The payer's first money, in base units; 100 test dollars unless given. */
  readonly funds?: Atomic
  readonly confirmationTimeoutMs?: number
}

export type DemoNetwork = {
  /** CAIP-2 id of the network that the local chain stands in for. */
  readonly network: string
  readonly rpcUrl: string
  readonly asset: AssetRow
  readonly anvil: Anvil
  readonly chain: Chain
  readonly facilitator: LocalFacilitator
  /** A throw-away key; it owns test dollars and nothing else. */
  readonly payer: { readonly address: `0x${string}`; readonly privateKey: Secret }
  readonly providers: readonly PaidProvider[]
  startProvider(options: DemoProviderOptions): Promise<PaidProvider>
  mint(owner: `0x${string}`, amount: Atomic): Promise<void>
  /** Stops every provider, then the chain. */
  stop(): Promise<void>
}

const DEFAULT_FUNDS = 100_000_000n as Atomic

/**
 * Starts everything; about half a second. What was started is stopped again when a later step fails.
 *
 * @throws {@link RouteplaneError} `config_invalid` when anvil is not installed.
 */
export async function startDemoNetwork(options: DemoNetworkOptions = {}): Promise<DemoNetwork> {
  const asset = findAssetBySymbol(DEFAULT_NETWORK, DEFAULT_SYMBOL)
  if (asset === undefined) throw new RouteplaneError('internal', 'the default network has no default asset')
  const { anvilInstalledIn, blockTimeSeconds } = options
  const anvil = await startAnvil({
    chainId: chainIdOf(asset.network),
    ...(anvilInstalledIn === undefined ? {} : { installedIn: anvilInstalledIn }),
    ...(blockTimeSeconds === undefined ? {} : { blockTimeSeconds }),
  })
  try {
    return await furnish(anvil, asset, options)
  } catch (error) {
    await anvil.stop()
    throw error
  }
}

async function furnish(anvil: Anvil, asset: AssetRow, options: DemoNetworkOptions): Promise<DemoNetwork> {
  const { network } = asset
  await installTestDollar(anvil.rpc, { address: asset.address, symbol: asset.symbol, ...asset.domain })
  const { confirmationTimeoutMs } = options
  const facilitator = await createFacilitator({
    network,
    rpcUrl: anvil.url,
    ...(confirmationTimeoutMs === undefined ? {} : { confirmationTimeoutMs }),
  })
  const payer = createPayer()
  const mint = (owner: `0x${string}`, amount: Atomic) => mintTestDollar(anvil.rpc, asset.address, owner, amount)
  await mint(payer.address, options.funds ?? DEFAULT_FUNDS)
  const chain = createChain({ network, rpcUrl: anvil.url })
  const providers: PaidProvider[] = []
  const startProvider = async (wanted: DemoProviderOptions): Promise<PaidProvider> => {
    const provider = await startPaidProvider({ facilitator: facilitator.client, payTo: randomAddress(), ...wanted, chain })
    providers.push(provider)
    return provider
  }
  const stop = async (): Promise<void> => {
    await Promise.all(providers.map((provider) => provider.stop()))
    await anvil.stop()
  }
  try {
    for (const wanted of options.providers ?? []) await startProvider(wanted)
  } catch (error) {
    await stop()
    throw error
  }
  return { network, rpcUrl: anvil.url, asset, anvil, chain, facilitator, payer, providers, startProvider, mint, stop }
}

function createPayer(): DemoNetwork['payer'] {
  const privateKey = `0x${Buffer.from(randomBytesOf(32)).toString('hex')}` as const
  return { address: privateKeyToAddress(privateKey), privateKey: new Secret(privateKey) }
}

/** An address that nobody has the key of: the demo's providers never spend what they earn. */
function randomAddress(): `0x${string}` {
  return getAddress(`0x${Buffer.from(randomBytesOf(20)).toString('hex')}`)
}
