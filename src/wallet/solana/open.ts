/** Opens what a config says of Solana: which key signs there, on which networks, asked through which nodes. */
import { defaultSolanaNetwork, findNetwork, isSolana } from '../../chain/networks.ts'
import { createSolanaChain, type SolanaChain } from '../../chain/solana/chain.ts'
import { RouteplaneError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Secret } from '../../lib/log.ts'
import type { NetworkChoice } from '../open.ts'
import { readSolanaKey } from './key.ts'
import { openSolanaKeystore, readSolanaKeystoreAddress } from './keystore.ts'
import { createSolanaPolicy } from './policy.ts'
import { createSolanaWallet, type SolanaWallet } from './wallet.ts'

/** What pays on Solana, beside the wallet of the EVM networks. */
export type SolanaSide = {
  /** Absent when there is no key for it. */
  readonly wallet?: SolanaWallet
  /** Why nothing is paid there; absent when it can be. */
  readonly problem?: string
  /** @throws RouteplaneError `unknown_network` for one without a node. */
  chainOf(network: string): SolanaChain
}

export type SolanaSources = NetworkChoice & {
  /** Path of the key file; it need not exist. */
  readonly keystore: string
  /** A raw key outranks the key file. */
  readonly key?: Secret
  /** @returns `undefined` when nobody has said it. */
  password(): Promise<Secret | undefined>
  readonly clock: Clock
}

/** @returns `undefined` when there is neither a key nor a key file. */
export async function openSolanaWallet(sources: SolanaSources): Promise<SolanaWallet | undefined> {
  const mainnets = sources.network === 'mainnet' ? solanaNetworksOf(sources) : []
  const policy = createSolanaPolicy({ clock: sources.clock, mainnets })
  if (sources.key !== undefined) {
    const key = readSolanaKey(sources.key.reveal())
    return createSolanaWallet({ address: key.address, policy, openKey: async () => key })
  }
  const address = await addressIn(sources.keystore)
  return address === undefined ? undefined : createSolanaWallet({ address, policy, openKey: () => unlock(sources) })
}

async function addressIn(path: string): Promise<string | undefined> {
  return readSolanaKeystoreAddress(path).catch((error: unknown) => {
    if (error instanceof RouteplaneError && error.code === 'keystore_missing') return undefined
    throw error
  })
}

async function unlock({ keystore, password }: SolanaSources) {
  const secret = await password()
  if (secret !== undefined) return openSolanaKeystore({ path: keystore, password: secret.reveal() })
  throw new RouteplaneError('wallet_locked', 'the Solana wallet is locked: its password is not known to this process', {
    hint: 'Set ROUTEPLANE_WALLET_PASSWORD, or wallet.password_file in routeplane.yaml.',
  })
}

/** The networks of Solana that a wallet pays on: play money unless the config says otherwise. */
export function solanaNetworksOf({ network, networks }: NetworkChoice): readonly string[] {
  return networks?.filter(isSolana) ?? [defaultSolanaNetwork(network)]
}

/** Gives one chain per network, opened at first use; the config's node outranks the public one. */
export function openSolanaChains(rpc: Readonly<Record<string, Secret>>): (network: string) => SolanaChain {
  const chains = new Map<string, SolanaChain>()
  return (network) => {
    const known = chains.get(network)
    if (known !== undefined) return known
    const rpcUrl = rpc[network]?.reveal() ?? (isSolana(network) ? findNetwork(network)?.rpcUrl : undefined)
    if (rpcUrl === undefined) throw new RouteplaneError('unknown_network', `no node is known for ${network.slice(0, 60)}`)
    const chain = createSolanaChain({ network, rpcUrl })
    chains.set(network, chain)
    return chain
  }
}
