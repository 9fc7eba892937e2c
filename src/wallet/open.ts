/** Opens what a config says of wallet and networks: which key signs, on which networks, asked through which nodes. */
import { createChain, type Chain } from '../chain/chain.ts'
import { tempo } from '../../contracts-abi/assets.ts'
import { checksumAddress } from '../chain/checksum.ts'
import {
  assetsOf,
  DEFAULT_MAINNET,
  DEFAULT_NETWORK,
  DEFAULT_SYMBOL,
  findAssetBySymbol,
  findNetwork,
  isSolana,
  type AssetRow,
} from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/log.ts'
import { readPrivateKey } from './key.ts'
import { openKeystore, readKeystoreAddress } from './keystore.ts'
import { createLazyWallet } from './lazy-wallet.ts'
import { createLocalWallet } from './local-wallet.ts'
import { createRemoteKey, type RemoteKeyOptions } from './remote-key.ts'
import { createPolicy } from './policy.ts'
import type { Wallet } from './wallet.ts'

/** What a config says of networks: play money or real, and which of them when it names any. */
export type NetworkChoice = { readonly network: 'testnet' | 'mainnet'; readonly networks?: readonly string[] }

export type WalletSources = NetworkChoice & {
  /** Path of the key file; it need not exist. */
  readonly keystore: string
  /** A raw key outranks the key file. */
  readonly key?: Secret
  /** A key that lives elsewhere; it outranks the key file. */
  readonly signer?: RemoteKeyOptions
  /** @returns `undefined` when nobody has said it. */
  password(): Promise<Secret | undefined>
  readonly clock: Clock
}

/** @returns `undefined` when there is neither a key, nor a signer, nor a key file: everything but paying works without. */
export async function openWallet(sources: WalletSources): Promise<Wallet | undefined> {
  const mainnets = sources.network === 'mainnet' ? walletNetworks(sources) : []
  const policy = createPolicy({ clock: sources.clock, mainnets })
  if (sources.key !== undefined) return createLocalWallet({ key: await readPrivateKey(sources.key.reveal()), policy })
  const { signer } = sources
  if (signer !== undefined)
    return createLocalWallet({ key: createRemoteKey({ ...signer, address: await checksumAddress(signer.address) }), policy })
  const address = await addressIn(sources.keystore)
  if (address === undefined) return undefined
  return createLazyWallet({ address, policy, openKey: () => unlock(sources) })
}

async function addressIn(path: string): Promise<`0x${string}` | undefined> {
  return readKeystoreAddress(path).catch((error: unknown) => {
    if (error instanceof RouteplaneError && error.code === 'keystore_missing') return undefined
    throw error
  })
}

async function unlock({ keystore, password }: WalletSources) {
  const secret = await password()
  if (secret !== undefined) return openKeystore({ path: keystore, password: secret.reveal() })
  throw new RouteplaneError('wallet_locked', 'the wallet is locked: its password is not known to this process', {
    hint: 'Set ROUTEPLANE_WALLET_PASSWORD, or wallet.password_file in routeplane.yaml.',
  })
}

/** The EVM networks a wallet pays on, its own first: play money unless the config says otherwise. */
export function walletNetworks({ network, networks }: NetworkChoice): readonly string[] {
  return (
    networks?.filter((id) => !isSolana(id)) ?? (network === 'mainnet' ? [DEFAULT_MAINNET, tempo.mainnet] : [DEFAULT_NETWORK, tempo.testnet])
  )
}

/** The token a wallet is funded with: USDC where its first network has it, else the first of our table there. */
export function walletAsset(networks: readonly string[]): AssetRow | undefined {
  const [own = DEFAULT_NETWORK] = networks
  return findAssetBySymbol(own, DEFAULT_SYMBOL) ?? assetsOf(own)[0]
}

/** Gives one chain per network, opened at first use; the config's node outranks the public one. */
export function openChains(rpc: Readonly<Record<string, Secret>>): (network: string) => Chain {
  const chains = new Map<string, Chain>()
  return (network) => {
    const known = chains.get(network)
    if (known !== undefined) return known
    const rpcUrl = rpc[network]?.reveal() ?? findNetwork(network)?.rpcUrl
    if (rpcUrl === undefined) {
      throw new RouteplaneError('unknown_network', `no node is known for ${network}`, {
        hint: `Set wallet.rpc["${network}"] in routeplane.yaml.`,
      })
    }
    const chain = createChain({ network, rpcUrl })
    chains.set(network, chain)
    return chain
  }
}
