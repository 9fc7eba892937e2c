/** A demo network for one test file: its own anvil, started before the first test and stopped after the last. */
import { afterAll, beforeAll } from 'vitest'
import { startDemoNetwork } from '../../src/demo/network.ts'
import type { DemoNetwork, DemoNetworkOptions } from '../../src/demo/network.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { randomBytesOf } from '../../src/lib/id.ts'
import { readPrivateKey } from '../../src/wallet/key.ts'
import { createLocalWallet } from '../../src/wallet/local-wallet.ts'
import { createPolicy } from '../../src/wallet/policy.ts'
import type { Wallet } from '../../src/wallet/wallet.ts'

/** Call at the top of a describe; the network is there from the first hook of the tests on. */
export function useDemoNetwork(options: DemoNetworkOptions = {}): () => DemoNetwork {
  let network: DemoNetwork | undefined
  beforeAll(async () => {
    network = await startDemoNetwork(options)
  })
  afterAll(async () => {
    await network?.stop()
  })
  return () => {
    if (network === undefined) throw new Error('the demo network is only there inside tests and hooks')
    return network
  }
}

/** Opens the payer's wallet with a fresh policy, as the product does. */
export async function openPayer(network: DemoNetwork): Promise<Wallet> {
  const key = await readPrivateKey(network.payer.privateKey.reveal())
  return createLocalWallet({ key, policy: createPolicy({ clock: systemClock }) })
}

export function randomHex(bytes: number): `0x${string}` {
  return `0x${Buffer.from(randomBytesOf(bytes)).toString('hex')}`
}
