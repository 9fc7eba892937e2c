/** The ways a demo provider is paid over the Machine Payments Protocol: `evm/charge`. */
import type { FacilitatorClient } from '@x402/core/server'
import { evm } from 'mppx/evm/server'
import type { Mppx } from 'mppx/server'
import type { AssetRow } from '../chain/networks.ts'
import { chainIdOf } from '../chain/networks.ts'

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
