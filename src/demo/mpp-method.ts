/** The ways a demo provider is paid over the Machine Payments Protocol: `evm/charge` and `tempo/charge`. */
import type { FacilitatorClient } from '@x402/core/server'
import { evm } from 'mppx/evm/server'
import { Store, tempo } from 'mppx/server'
import type { Mppx } from 'mppx/server'
import { createClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import type { AssetRow } from '../chain/networks.ts'
import { chainIdOf } from '../chain/networks.ts'
import { randomBytesOf } from '../lib/id.ts'
import type { Atomic } from '../money.ts'
import type { TempoNetwork } from './tempo-network.ts'

type Facilitator = Exclude<NonNullable<NonNullable<Parameters<typeof evm>[0]['x402']>['facilitator']>, string>

export type MppMethod = {
  /** Method and intent, as the official package names its handlers. */
  readonly id: 'evm/charge' | 'tempo/charge'
  readonly payTo: `0x${string}`
  readonly decimals: number
  readonly server: Parameters<typeof Mppx.create>[0]['methods'][number]
}

/** A charge by EIP-3009 authorization, settled by a facilitator before the answer is given. */
export function evmCharge(options: { asset: AssetRow; payTo: `0x${string}`; facilitator: FacilitatorClient }): MppMethod {
  const { asset, payTo, facilitator } = options
  const server = evm({
    currency: asset.address,
    recipient: payTo,
    chainId: chainIdOf(asset.network),
    decimals: asset.decimals,
    authorization: { ...asset.domain },
    // Both packages describe one interface; one of them allows what the other leaves out to be undefined.
    x402: { facilitator: facilitator as unknown as Facilitator },
  })
  return { id: 'evm/charge', payTo, decimals: asset.decimals, server }
}

export type TempoChargeOptions = {
  readonly network: TempoNetwork
  readonly payTo: `0x${string}`
  /** The seller pays the network's fee, with a key that is made and funded for it. */
  readonly sponsored?: boolean
}

/** A charge by a signed transaction of the Tempo network, which the seller sends before he answers. */
export async function tempoCharge({ network, payTo, sponsored = false }: TempoChargeOptions): Promise<MppMethod> {
  const { asset, rpcUrl } = network
  const seller = privateKeyToAccount(`0x${Buffer.from(randomBytesOf(32)).toString('hex')}`)
  if (sponsored) await network.mint(seller.address, SPONSOR_FUNDS)
  const client = createClient({
    account: seller,
    chain: tempoModerato,
    transport: http(rpcUrl, { retryCount: 0 }),
    pollingInterval: POLL_MS,
  })
  const server = tempo.charge({
    currency: asset.address,
    recipient: payTo,
    chainId: chainIdOf(asset.network),
    getClient: () => client,
    store: Store.memory(),
    ...(sponsored ? { feePayer: seller } : {}),
  })
  return { id: 'tempo/charge', payTo, decimals: asset.decimals, server }
}

const POLL_MS = 25
const SPONSOR_FUNDS = 100_000_000n as Atomic
