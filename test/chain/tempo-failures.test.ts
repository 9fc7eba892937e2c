/** Transactions on Tempo that fail in their block: nothing is paid by them, and the fee that they took is in the books. */
import { encodeFunctionData, erc20Abi } from 'viem'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { transact } from '../../src/demo/install-contract.ts'
import { tempoCharge } from '../../src/demo/mpp-method.ts'
import { startMppProvider } from '../../src/demo/mpp-provider.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { AttemptRow } from '../../src/ledger/entry.ts'
import type { Atomic } from '../../src/money.ts'
import { startRelay } from '../gateway/relay.ts'
import { randomHex } from '../support/chain.ts'
import { ask, closedBooks, openEngine, readBooks, writeWorld, type SellerEntry, type World } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

let network: TempoNetwork
beforeAll(async () => {
  network = await startTempoNetwork()
})
afterAll(() => network.stop())

/** A call costs more than the fee that it leaves to be paid. */
const prices = { prompt: '0.0001', completion: '0.0005' }
type Seller = SellerEntry & { stop(): Promise<void> }

async function startCharging(): Promise<Seller> {
  const payTo = randomHex(20)
  const methods = [await tempoCharge({ network, payTo })]
  return { ...(await startMppProvider({ id: 'first', prices, methods })), mode: 'mpp' }
}

const kinds: readonly [name: string, proof: string, open: () => Promise<Seller>][] = [
  ['charge', 'tempo', startCharging],
  ['opening of a session', 'tempo-opening', () => startSessionProvider({ id: 'first', network, prices })],
]

/** Takes everything but the fee away from the wallet, and has the transaction of its payment run all the same. */
async function failIt(world: World, proof: string, credential: string): Promise<void> {
  const { rpc } = network.anvil
  const { asset } = network
  const payment = paymentIn((await readBooks(world)).rows, proof)
  const { fee, value = '0' } = payment?.particulars ?? {}
  const room = fee === undefined ? (payment?.amountAuthorized ?? 0n) - BigInt(value) : BigInt(fee)
  const other = randomHex(20)
  const balance = () => network.chain.balanceOf(asset.address, world.payer)
  const give = async (amount: bigint) => {
    const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [other, amount] })
    await transact(rpc, { from: world.payer, to: asset.address, data, gas: '0x100000' })
  }
  // Giving costs a fee too: the first time shows how much.
  const before = await balance()
  await give(1n)
  const left = await balance()
  await give(left - room - (before - left))
  const text = Buffer.from(credential.slice('Payment '.length), 'base64url').toString()
  const { payload } = JSON.parse(text) as { payload: { signature: string; transaction?: string } }
  const hash = await rpc('eth_sendRawTransaction', [payload.transaction ?? payload.signature])
  await rpc('evm_mine')
  expect(await rpc('eth_getTransactionReceipt', [hash])).toMatchObject({ status: '0x0' })
}

const paymentIn = (rows: readonly AttemptRow[], proof: string) => rows.find(({ payment }) => payment?.proof === proof)?.payment

it.each(kinds)('the %s that fails has cost its fee, and the next is paid', async (_, proof, open) => {
  verifies('card.receipt.verified')
  const seller = await open()
  onTestFinished(() => seller.stop())
  const relay = await startRelay(seller, {
    instead: async ({ headers }, paid) => {
      if (paid !== 1) return undefined
      await failIt(world, proof, String(headers.authorization))
      return { status: 402, json: { error: { message: 'your transaction failed' } } }
    },
  })
  const world: World = await writeWorld(network, { sellers: [relay], perRequestUsd: '0.05' })
  await allowReserve(network, world.payer)
  const engine = await openEngine(world)
  const url = await engine.serve()
  const failed = await ask(url)
  expect(failed.status).toBeGreaterThanOrEqual(400)
  const after = await closedBooks(world)
  const row = after.rows.find(({ payment }) => payment?.proof === proof)
  const took = row?.payment?.amountSettled ?? 0n
  expect([row?.state, took > 0n, took < (row?.payment?.amountAuthorized ?? 0n)]).toEqual(['settled', true, true])
  expect(await engine.routeplane.receipts.verify(row?.id ?? '')).toMatchObject({ verified: true })

  await network.mint(world.payer, 10_000_000n as Atomic)
  const next = await ask(url)
  expect([next.error, next.status, textOf(next.text).startsWith('first heard')]).toEqual([undefined, 200, true])
  await closedBooks(world)
  // What was taken away between was no payment: the comparison begins behind it.
  const range = { network: network.network, fromBlock: row?.payment?.blockNumber ?? 0n }
  const [compared] = (await engine.routeplane.receipts.reconcileAll(range)).filter(({ asset }) => asset === network.asset.symbol)
  expect(compared?.result).toMatchObject({ differences: [], ledgerUsd: compared?.result?.chainUsd })
  expect(compared?.result?.ledgerUsd).toBeGreaterThan(0n)
  await engine.close()
})
