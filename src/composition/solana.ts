/** What pays on Solana beside the wallet: its key, its networks, and why it cannot, where it cannot. */
import type { Config } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import { hasSolanaClient, SOLANA_PACKAGE_MISSING } from '../payment/scheme/solana-transaction.ts'
import { openSolanaChains, openSolanaWallet, solanaNetworksOf, type SolanaSide } from '../wallet/solana/open.ts'
import { walletPassword } from './password.ts'

const NO_KEY = 'paying on Solana takes a key of its own: run `routeplane wallet create --solana`'

export type OpenSolana = {
  readonly side: SolanaSide
  /** Those that the config means, and of them those that can be paid on. */
  readonly networks: readonly string[]
  readonly payable: readonly string[]
}

/** Sends nothing, and loads nothing of Solana's. @throws RouteplaneError `invalid_key`, `keystore_…`. */
export async function openSolana(config: Config, clock: Clock): Promise<OpenSolana> {
  const { network, networks, rpc, solana } = config.wallet
  const choice = { network, ...(networks === undefined ? {} : { networks }) }
  const wallet = await openSolanaWallet({ ...choice, ...solana, clock, password: () => walletPassword(config) })
  const problem = wallet === undefined ? NO_KEY : hasSolanaClient() ? undefined : SOLANA_PACKAGE_MISSING
  const chainOf = openSolanaChains(rpc)
  const named = solanaNetworksOf(choice)
  return {
    side: { chainOf, ...(wallet === undefined ? {} : { wallet }), ...(problem === undefined ? {} : { problem }) },
    networks: named,
    payable: problem === undefined ? named : [],
  }
}
