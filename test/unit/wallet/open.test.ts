/** Which networks a config opens: the wallet signs on those it names and on no other real money. */
import { describe, expect, it } from 'vitest'
import { networkRows } from '../../../contracts-abi/networks.ts'
import { assets } from '../../../contracts-abi/assets.ts'
import { findAsset } from '../../../src/chain/networks.ts'
import { Secret } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { openWallet, walletAsset, walletNetworks } from '../../../src/wallet/open.ts'
import { randomHex } from '../../support/chain.ts'

const POLYGON = 'eip155:137'
const payee = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'

async function signOn(network: string, networks: readonly string[] | undefined, side: 'testnet' | 'mainnet' = 'mainnet') {
  const wallet = await openWallet({
    network: side,
    ...(networks === undefined ? {} : { networks }),
    keystore: '/nowhere',
    key: new Secret(randomHex(32)),
    password: async () => undefined,
    clock: systemClock,
  })
  const asset = assets.find((row) => row.network === network && row.transferMethod === 'eip3009')
  if (wallet === undefined || asset === undefined) throw new Error(`nothing to sign with on ${network}`)
  const now = BigInt(Math.floor(systemClock.now() / 1000))
  return wallet.signTransfer(
    { network, asset: asset.address, to: payee, value: 1n, validAfterSeconds: 0n, validBeforeSeconds: now + 60n, nonce: randomHex(32) },
    { payee, maxValue: 1n, attemptId: 'one' },
  )
}

describe('the networks of a wallet', () => {
  it('are play money without a word, and Base and Tempo of the side that is named', () => {
    expect(walletNetworks({ network: 'testnet' })).toEqual(['eip155:84532', 'eip155:42431'])
    expect(walletNetworks({ network: 'mainnet' })).toEqual(['eip155:8453', 'eip155:4217'])
    expect(walletNetworks({ network: 'mainnet', networks: [POLYGON] })).toEqual([POLYGON])
  })

  it('open real money only where the list names it', async () => {
    await expect(signOn(POLYGON, undefined)).rejects.toMatchObject({ code: 'policy_refused', details: { rule: 'network_not_allowed' } })
    await expect(signOn('eip155:8453', [POLYGON])).rejects.toMatchObject({ details: { rule: 'network_not_allowed' } })
    await expect(signOn(POLYGON, [POLYGON], 'testnet')).rejects.toMatchObject({ details: { rule: 'network_not_allowed' } })
    expect(await signOn(POLYGON, [POLYGON])).toBeDefined()
  })

  it('each have a token to be funded with', () => {
    for (const { network } of networkRows) {
      const own = walletAsset([network])
      expect(own === undefined ? undefined : findAsset(network, own.address)?.symbol).toBe(own?.symbol)
      expect(own, network).toBeDefined()
    }
  })
})
