/** Payments over Permit2 from a wallet that has allowed it nothing: the official facilitator shows the token a leave for each, and no more than that. */
import type { PaymentPayload } from '@x402/core/types'
import { declareEip2612GasSponsoringExtension } from '@x402/extensions'
import { encodeFunctionData, hashTypedData, recoverAddress, type TypedDataDefinition } from 'viem'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { eip2612Types } from '../../contracts-abi/eip2612.ts'
import { permit2Address } from '../../src/chain/permit2.ts'
import { installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { startPermitProvider, type PermitFaults } from '../../src/demo/permit-provider.ts'
import { systemClock, type Clock } from '../../src/lib/clock.ts'
import { isRecord } from '../../src/lib/json.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  expectUntouched,
  openEngine,
  passTime,
  question,
  readBooks,
  rewriteConfig,
  writeWorld,
} from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { textOf } from '../support/x402-buyer.ts'

const current = useDemoNetwork()
beforeAll(() => installPermitContracts(current().anvil.rpc))

type Leave = { readonly amount: string; readonly nonce: string; readonly deadline: string; readonly signature: `0x${string}` }
type Given = { readonly leave: Leave | undefined; readonly authorization: Record<string, unknown> }

async function open(scheme: 'exact' | 'upto', faults: PermitFaults = {}, lines: readonly string[] = [], clock: Clock = systemClock) {
  const { asset, facilitator, chain } = current()
  const given: Given[] = []
  const onPayment = (payload: PaymentPayload) => void given.push(readGiven(payload))
  const sponsored = { extensions: declareEip2612GasSponsoringExtension(), onPayment, ...faults }
  const prices = { prompt: '0.000001', completion: '0.000005' }
  const seller = await startPermitProvider({
    ...{ id: `by-${scheme}`, scheme, prices, payTo: randomHex(20), facilitator: facilitator.client, asset },
    faults: sponsored,
  })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(current(), { sellers: [seller] })
  await rewriteConfig(world, lines)
  const engine = await openEngine(world, clock)
  const allowance = () => chain.allowanceOf(asset.address, world.payer, permit2Address)
  return { seller, world, engine, url: await engine.serve(), given, allowance }
}

function readGiven({ extensions, payload }: PaymentPayload): Given {
  const said = extensions?.['eip2612GasSponsoring']
  const leave = isRecord(said) ? (said['info'] as Leave) : undefined
  return { leave, authorization: payload['permit2Authorization'] as Record<string, unknown> }
}

describe.each(['exact', 'upto'] as const)('%s', (scheme) => {
  it('is paid with a leave for the very amount, which is used up, and again with the next one', async () => {
    verifies('card.pay.x402', 'card.receipt.verified')
    const { world, url, given, allowance, engine } = await open(scheme)
    for (const stream of [false, true])
      expect(textOf((await ask(url, { ...question, stream })).text)).toBe(`by-${scheme} heard: how are you today?`)
    const books = await closedBooks(world)
    expectBalanced(books)
    expect(books.transfers).toHaveLength(2)
    const [first, second] = given
    expect([first?.leave?.nonce, second?.leave?.nonce]).toEqual(['0', '1'])
    for (const { leave, authorization } of given) {
      const permitted = authorization['permitted'] as Record<string, unknown>
      expect([leave?.amount, leave?.deadline]).toEqual([permitted['amount'], authorization['deadline']])
    }
    // What the ceiling allowed beyond what was used is worth nothing without another signature over Permit2.
    const left = BigInt(second?.leave?.amount ?? 0) - (books.rows[0]?.payment?.amountSettled ?? 0n)
    expect([await allowance(), scheme === 'exact' ? left === 0n : left > 0n]).toEqual([left, true])
    for (const { id } of books.rows) expect(await engine.routeplane.receipts.verify(id)).toMatchObject({ verified: true })
  })

  it('gives the leave to Permit2 alone, by the token of our table', async () => {
    const { url, given, world } = await open(scheme)
    await ask(url)
    const [{ leave } = { leave: undefined }] = given
    if (leave === undefined) throw new Error('no leave was given')
    const { asset } = current()
    const message = { owner: world.payer, value: BigInt(leave.amount), nonce: BigInt(leave.nonce), deadline: BigInt(leave.deadline) }
    const domain = { ...asset.domain, chainId: 84532, verifyingContract: asset.address }
    const signerOf = (spender: string, other: object = {}) =>
      recoverAddress({
        hash: hashTypedData({
          ...{ domain: { ...domain, ...other }, types: eip2612Types, primaryType: 'Permit', message: { ...message, spender } },
        } as unknown as TypedDataDefinition),
        signature: leave.signature,
      })
    expect(await signerOf(permit2Address)).toBe(world.payer)
    expect(await signerOf(canonicalContracts.x402ExactPermit2Proxy)).not.toBe(world.payer)
    expect(await signerOf(permit2Address, { chainId: 8453 })).not.toBe(world.payer)
    // Shown again, it is worth nothing: the token has counted it.
    const { r, s, v } = split(leave.signature)
    const data = encodeFunctionData({
      abi: [permitFunction],
      args: [world.payer, permit2Address, message.value, message.deadline, v, r, s],
    })
    const again = current().anvil.rpc('eth_call', [{ to: asset.address, data }, 'latest'])
    await expect(again).rejects.toThrow()
  })

  it.each<[string, PermitFaults, readonly string[]]>([
    ['no offer takes one', { extensions: {} }, []],
    ['the user gives none', {}, ['payment: { permit2_leave: never }']],
    ['only a whole transaction is wanted', { extensions: { erc20ApprovalGasSponsoring: { info: { version: '1' } } } }, []],
  ])('signs nothing when %s', async (_, faults, lines) => {
    const { world, url, given } = await open(scheme, faults, lines)
    expect((await ask(url)).error).toMatchObject({ code: 'insufficient_funds', money: 'untouched' })
    expectUntouched(await readBooks(world))
    expect(given).toEqual([])
  })
})

it('lets calls of one moment pay one after the other, each with a leave of its own', async () => {
  const { world, url, given } = await open('exact')
  const replies = await Promise.all(Array.from({ length: 3 }, () => ask(url)))
  // One that has waited too long gives way, unpaid.
  expect(replies.flatMap(({ error }) => (error === undefined ? [] : [[error.code, error.money]]))).toEqual(
    replies.flatMap(({ error }) => (error === undefined ? [] : [['overloaded', 'untouched']])),
  )
  const books = await closedBooks(world)
  expectBalanced(books)
  const payments = new Set(given.map(({ authorization }) => authorization['nonce']))
  expect([payments.size >= 1, new Set(given.map(({ leave }) => leave?.nonce)).size]).toEqual([true, payments.size])
})

// Last, because it lets the chain's clock run ahead of ours.
it('gives no second leave while one is at large, and none to a seller that keeps it and asks again', async () => {
  const { world, url, given, seller, engine } = await open('exact', { failWith: 402 }, [], impatient())
  expect((await ask(url)).error).toMatchObject({ money: 'unknown' })
  // The same leave with the same payment, however often it is asked for.
  expect(new Set(given.map(({ leave }) => leave?.signature)).size).toBe(1)
  expect((await readBooks(world)).open).toHaveLength(1)
  delete seller.faults.failWith
  const refused = await ask(url)
  expect([refused.error?.code, refused.error?.money]).toEqual(['overloaded', 'untouched'])
  expect((await readBooks(world)).open).toHaveLength(1)
  await passTime(current(), 400)
  await engine.routeplane.receipts.reconcile({})
  expect((await readBooks(world)).open).toEqual([])
})

const permitFunction = {
  type: 'function',
  name: 'permit',
  stateMutability: 'nonpayable',
  inputs: ['address', 'address', 'uint256', 'uint256', 'uint8', 'bytes32', 'bytes32'].map((type, at) => ({ name: `a${at}`, type })),
  outputs: [],
} as const

function split(signature: `0x${string}`) {
  const hex = signature.slice(2)
  return { r: `0x${hex.slice(0, 64)}`, s: `0x${hex.slice(64, 128)}`, v: Number.parseInt(hex.slice(128), 16) } as const
}

/** A clock on which a look at the ledger takes two seconds: nobody waits for a patience to end, and every other time is real. */
function impatient(): Clock {
  let ahead = 0
  const sleep: Clock['sleep'] = (ms, signal) => {
    if (ms === 100) ahead += 2_000
    return systemClock.sleep(ms, signal)
  }
  return { ...systemClock, now: () => systemClock.now() + ahead, sleep }
}
