/** Every token of the table that moves by EIP-3009: signed by the wallet from its row, cashed at that address under that chain id. */
import { beforeAll, expect, it } from 'vitest'
import { assets } from '../../contracts-abi/assets.ts'
import { createChain } from '../../src/chain/chain.ts'
import { chainIdOf } from '../../src/chain/networks.ts'
import { installTestDollar, mintTestDollar } from '../../src/demo/test-dollar.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Atomic } from '../../src/money.ts'
import { readPrivateKey } from '../../src/wallet/key.ts'
import { createLocalWallet } from '../../src/wallet/local-wallet.ts'
import { createPolicy } from '../../src/wallet/policy.ts'
import { authorize, settle } from '../support/authorization.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'

const current = useDemoNetwork()
// The node signs for its own accounts under the chain id that it began with; impersonated, they need no signature.
beforeAll(async () => {
  const { rpc } = current().anvil
  for (const account of (await rpc('eth_accounts')) as string[]) await rpc('anvil_impersonateAccount', [account])
})

const rows = assets.filter(({ transferMethod }) => transferMethod === 'eip3009')

it.each(rows.map((row) => [`${row.symbol} on ${row.chainName}`, row] as const))('%s is paid', async (_, row) => {
  const { anvil, rpcUrl } = current()
  const { network, address } = row
  await anvil.rpc('anvil_setChainId', [chainIdOf(network)])
  await installTestDollar(anvil.rpc, { address, symbol: row.symbol, ...row.domain })
  const wallet = createLocalWallet({
    key: await readPrivateKey(randomHex(32)),
    policy: createPolicy({ clock: systemClock, mainnets: [network] }),
  })
  await mintTestDollar(anvil.rpc, address, wallet.address, 1_000n as Atomic)
  const there = { ...current(), network, asset: row, chain: createChain({ network, rpcUrl }) }
  const to = randomHex(20)
  const signed = await authorize(there, wallet, { to, value: 777n })
  const transaction = await settle(there, signed)
  const query = { asset: address, payer: wallet.address, payee: to, nonce: signed.nonce }
  expect(await there.chain.findTransfer(query)).toMatchObject({ transaction, amount: 777n })
  expect(await there.chain.balanceOf(address, to)).toBe(777n)
})
