/** Transactions on Tempo that fail in their block: nothing is paid by them, and the fee that they took is in the books. */
import { encodeFunctionData, erc20Abi } from 'viem'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { transact } from '../../src/demo/install-contract.ts'
import { tempoCharge } from '../../src/demo/mpp-method.ts'
import { startMppProvider } from '../../src/demo/mpp-provider.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { AttemptRow } from '../../src/ledger/entry.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { countedUsd } from '../../src/ledger/rules.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import type { Atomic } from '../../src/money.ts'
import { recheckSettled, type RecheckReport } from '../../src/payment/recheck.ts'
import { startRelay } from '../gateway/relay.ts'
import { randomHex } from '../support/chain.ts'
import { ask, closedBooks, openEngine, readBooks, writeWorld, type SellerEntry, type TestEngine, type World } from '../support/engine.ts'
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

/** Takes everything but the fee away from the wallet, and has the transaction of its payment run all the same. @returns it, signed. */
async function failIt(world: World, proof: string, credential: string): Promise<string> {
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
  const raw = payload.transaction ?? payload.signature
  const hash = await rpc('eth_sendRawTransaction', [raw])
  await rpc('evm_mine')
  expect(await rpc('eth_getTransactionReceipt', [hash])).toMatchObject({ status: '0x0' })
  return raw
}

const paymentIn = (rows: readonly AttemptRow[], proof: string) => rows.find(({ payment }) => payment?.proof === proof)?.payment

type Failed = { readonly world: World; readonly engine: TestEngine; readonly url: string; readonly row: AttemptRow; readonly raw: string }

/** Asks for what the provider is paid for by a transaction that fails; its fee is in the books then. */
async function failOnce(proof: string, open: () => Promise<Seller>): Promise<Failed> {
  const seller = await open()
  onTestFinished(() => seller.stop())
  let raw = ''
  const relay = await startRelay(seller, {
    instead: async ({ headers }, paid) => {
      if (paid !== 1) return undefined
      raw = await failIt(world, proof, String(headers.authorization))
      return { status: 402, json: { error: { message: 'your transaction failed' } } }
    },
  })
  const world: World = await writeWorld(network, { sellers: [relay], perRequestUsd: '0.05' })
  await allowReserve(network, world.payer)
  const engine = await openEngine(world)
  const url = await engine.serve()
  const failed = await ask(url)
  expect(failed.status).toBeGreaterThanOrEqual(400)
  const row = (await closedBooks(world)).rows.find(({ payment }) => payment?.proof === proof)
  const took = row?.payment?.amountSettled ?? 0n
  expect([row?.state, took > 0n, took < (row?.payment?.amountAuthorized ?? 0n)]).toEqual(['settled', true, true])
  if (row === undefined) throw new Error('nothing was signed')
  return { world, engine, url, row, raw }
}

it.each(kinds)('the %s that fails has cost its fee, and the next is paid', async (_, proof, open) => {
  verifies('card.receipt.verified')
  const { world, engine, url, row } = await failOnce(proof, open)
  const { verified, checks } = await engine.routeplane.receipts.verify(row.id)
  expect([verified, checks.map(({ detail }) => detail).join('; ')]).toEqual([
    true,
    expect.stringMatching(/which failed; nothing was paid to/),
  ])

  await network.mint(world.payer, 10_000_000n as Atomic)
  const next = await ask(url)
  expect([next.error, next.status, textOf(next.text).startsWith('first heard')]).toEqual([undefined, 200, true])
  await closedBooks(world)
  // What was taken away between was no payment: the comparison begins behind it.
  const range = { network: network.network, fromBlock: row.payment?.blockNumber ?? 0n }
  const [compared] = (await engine.routeplane.receipts.reconcileAll(range)).filter(({ asset }) => asset === network.asset.symbol)
  expect(compared?.result).toMatchObject({ differences: [], ledgerUsd: compared?.result?.chainUsd })
  expect(compared?.result?.ledgerUsd).toBeGreaterThan(0n)
  await engine.close()
})

it.each(kinds)('the %s that failed is looked for again when its block is taken back', async (_, proof, open) => {
  verifies('card.receipt.verified')
  const { world, engine, row, raw } = await failOnce(proof, open)
  await engine.close()
  const { rpc } = network.anvil
  const { number } = await network.chain.latestBlock()
  const fromBlock = row.payment?.blockNumber ?? 0n
  await rpc('anvil_reorg', [Number(number - fromBlock) + 1, []])
  expect(await lookAgain(world)).toEqual({ final: 0, moved: 0, reopened: 1 })
  const { amountSettled, settledUsd, transaction } = row.payment ?? {}
  const reopened = await rowOf(world, row.id)
  expect(reopened).toMatchObject({ state: 'unknown', payment: { transaction } })
  expect(countedUsd(reopened)).toBeGreaterThan(settledUsd ?? 0n)

  await rpc('evm_mine')
  await rpc('eth_sendRawTransaction', [raw]).catch(() => undefined)
  await rpc('evm_mine')
  const heir = await openEngine(world)
  await closedBooks(world)
  expect(await rowOf(world, row.id)).toMatchObject({ state: 'settled', payment: { amountSettled, transaction } })
  const compared = await heir.routeplane.receipts.reconcileAll({ network: network.network, fromBlock })
  expect(compared.map(({ result }) => result?.differences)).toEqual([[]])
  await heir.close()
})

const rowOf = async (world: World, wanted: string): Promise<AttemptRow> => {
  const row = (await readBooks(world)).rows.find(({ id }) => id === wanted)
  if (row === undefined) throw new Error(`no attempt ${wanted}`)
  return row
}

/** One round of what the gateway does in the background, on a network that holds its newest block to be safe. */
async function lookAgain(world: World): Promise<RecheckReport> {
  const { chain } = network
  const owner = formatOwner({ host: 'rechecker', pid: process.pid, startMs: systemClock.now() })
  const ledger = await openSqliteLedger({ path: world.ledgerPath, owner, clock: systemClock, log: silentLog })
  try {
    const chainOf = () => ({ ...chain, safeBlock: chain.latestBlock })
    return await recheckSettled({ ledger, chainOf, resolver: { follow: () => {} }, clock: systemClock, log: silentLog })
  } finally {
    await ledger.close()
  }
}
