/** Payments on a Tempo network that plays the real one: signed by our wallet, found again by their memo, their fee with them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tempo } from '../../contracts-abi/assets.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Atomic } from '../../src/money.ts'
import { readPrivateKey } from '../../src/wallet/key.ts'
import { createLocalWallet } from '../../src/wallet/local-wallet.ts'
import { createPolicy } from '../../src/wallet/policy.ts'
import { feeUnits, transferInput } from '../../src/wallet/tempo-transfer.ts'
import type { TempoTransfer, Wallet } from '../../src/wallet/wallet.ts'
import { randomHex } from '../support/chain.ts'

let network: TempoNetwork
beforeAll(async () => {
  network = await startTempoNetwork()
})
afterAll(() => network.stop())

const FUNDS = 1_000_000n as Atomic

async function openWallet(): Promise<Wallet> {
  const wallet = createLocalWallet({ key: await readPrivateKey(randomHex(32)), policy: createPolicy({ clock: systemClock }) })
  await network.mint(wallet.address, FUNDS)
  return wallet
}

async function transferOf(wallet: Wallet, changes: Partial<TempoTransfer> = {}): Promise<TempoTransfer> {
  const { network: id, asset, chain } = network
  const wanted = { to: randomHex(20), value: 1_000n, memo: randomHex(32), ...changes }
  const input = await transferInput(wanted)
  const quote = await chain.quoteTempo({ from: wallet.address, to: asset.address, input, feeToken: asset.address })
  const { timestampSeconds } = await chain.latestBlock()
  return {
    network: id,
    asset: asset.address,
    sponsored: false,
    ...wanted,
    ...quote,
    validBeforeSeconds: timestampSeconds + 25n,
    ...changes,
  }
}

const grantOf = (transfer: TempoTransfer) => ({
  attemptId: 'pay_1',
  payee: transfer.to,
  maxValue: transfer.value,
  maxFee: feeUnits(transfer, network.asset.decimals),
})
const send = (transaction: string) => network.anvil.rpc('eth_sendRawTransaction', [transaction])
const query = (wallet: Wallet, { to, memo }: TempoTransfer) => ({ asset: network.asset.address, payer: wallet.address, payee: to, memo })

describe('a transfer on Tempo', () => {
  it('moves its value and no more than the fee agreed, and is found by its memo', async () => {
    const wallet = await openWallet()
    const transfer = await transferOf(wallet)
    await send(await wallet.signTempoTransfer(transfer, grantOf(transfer)))
    const { chain, asset } = network
    const found = await chain.findMemoTransfer(query(wallet, transfer))
    expect(found).toMatchObject({ amount: 1_000n, nonce: transfer.memo })
    const fee = found?.fee ?? 0n
    expect([fee > 0n, fee <= feeUnits(transfer, asset.decimals)]).toEqual([true, true])
    expect(await chain.balanceOf(asset.address, transfer.to)).toBe(1_000n)
    expect(await chain.balanceOf(asset.address, wallet.address)).toBe(FUNDS - 1_000n - fee)
    const { number: toBlock } = await chain.latestBlock()
    const all = await chain.transfersFrom({ asset: asset.address, payer: wallet.address, fromBlock: 0n, toBlock })
    expect(all).toEqual([found])
  })

  it('is the same transaction whenever it is signed again, and moves its value once', async () => {
    const wallet = await openWallet()
    const transfer = await transferOf(wallet)
    const transaction = await wallet.signTempoTransfer(transfer, grantOf(transfer))
    expect(await wallet.signTempoTransfer(transfer, grantOf(transfer))).toBe(transaction)
    await send(transaction)
    await send(transaction).catch(() => {})
    expect(await network.chain.balanceOf(network.asset.address, transfer.to)).toBe(1_000n)
  })

  it('is dead once its time is over', async () => {
    const wallet = await openWallet()
    const transfer = await transferOf(wallet)
    const transaction = await wallet.signTempoTransfer(transfer, grantOf(transfer))
    await network.anvil.rpc('evm_increaseTime', [60])
    await network.anvil.rpc('evm_mine')
    await send(transaction).catch(() => {})
    await network.anvil.rpc('evm_mine')
    expect(await network.chain.findMemoTransfer(query(wallet, transfer))).toBeUndefined()
    expect(await network.chain.balanceOf(network.asset.address, transfer.to)).toBe(0n)
  })

  it('is not found under another memo, at another payee, or in a transaction that somebody names', async () => {
    const wallet = await openWallet()
    const transfer = await transferOf(wallet)
    const hash = await send(await wallet.signTempoTransfer(transfer, grantOf(transfer)))
    const own = query(wallet, transfer)
    expect(await network.chain.findMemoTransfer({ ...own, transaction: hash as `0x${string}` })).toMatchObject({ transaction: hash })
    expect(await network.chain.findMemoTransfer({ ...own, memo: randomHex(32) })).toBeUndefined()
    expect(await network.chain.findMemoTransfer({ ...own, payee: randomHex(20), transaction: hash as `0x${string}` })).toBeUndefined()
  })
})

describe('the wallet refuses to sign on Tempo', () => {
  it.each<[string, Partial<TempoTransfer>, object]>([
    ['fee_above_grant', {}, { maxFee: 0n }],
    ['value_above_grant', { value: 1_001n }, { maxValue: 1_000n }],
    ['payee_not_granted', {}, { payee: `0x${'11'.repeat(20)}` }],
    ['payee_token', { to: '0x20C0000000000000000000000000000000000000' }, {}],
    ['network_not_allowed', { network: tempo.mainnet }, {}],
    ['asset_not_signable', { network: 'eip155:84532', asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e' }, {}],
    ['nonce_malformed', { memo: '0xabcd' }, {}],
    ['already_expired', { validBeforeSeconds: 1n }, {}],
    ['valid_too_long', { validBeforeSeconds: 9_999_999_999n }, {}],
  ])('%s', async (rule, changes, granted) => {
    const wallet = createLocalWallet({ key: await readPrivateKey(randomHex(32)), policy: createPolicy({ clock: systemClock }) })
    const validBeforeSeconds = BigInt(Math.floor(systemClock.now() / 1000)) + 25n
    const { network: id, asset } = network
    const transfer: TempoTransfer = {
      ...{ network: id, asset: asset.address, to: `0x${'22'.repeat(20)}`, value: 1_000n, memo: randomHex(32) },
      ...{ validBeforeSeconds, gas: 100_000n, maxFeePerGas: 10n ** 9n, sponsored: false },
      ...changes,
    }
    const signing = wallet.signTempoTransfer(transfer, { ...grantOf(transfer), ...granted })
    await expect(signing).rejects.toMatchObject({ code: 'policy_refused', details: { rule } })
  })
})
