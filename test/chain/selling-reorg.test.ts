/** A reorganisation takes back what was collected for an answer: it is noticed and collected again, and nobody is answered twice. */
import { wrapFetchWithPayment } from '@x402/fetch'
import { Mppx, evm } from 'mppx/client'
import { assets } from 'mppx/evm'
import { pad, toFunctionSelector } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { passTime } from '../support/engine.ts'
import { startNodeProxy } from '../support/node-proxy.ts'
import { channelClient } from '../support/payments.ts'
import { chatWire, createBuyer, openShop, order, payingFetch, salesOf, writeKeyedShop } from '../support/shop.ts'
import { script, words } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
beforeAll(async () => {
  await installPermitContracts(current().anvil.rpc)
  await installChannelContracts(current().anvil.rpc)
})

const ways: readonly (readonly [name: string, pay: (account: PrivateKeyAccount, send: typeof fetch) => typeof fetch])[] = [
  ['x402 exact', (account, send) => payingFetch(account, ['exact'], send)],
  ['x402 upto', (account, send) => payingFetch(account, ['upto'], send)],
  [
    'evm/charge',
    (account, send) =>
      Mppx.create({
        polyfill: false,
        fetch: send,
        methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })],
      }).fetch as typeof fetch,
  ],
]

/** Sells one answer, and takes the block back that its payment was settled in. */
async function takenBack(pay: (typeof ways)[number][1]) {
  const { upstream, world } = await writeKeyedShop(current(), script, { charge: ['networks: ["eip155:84532"]'] })
  const { url, engine } = await openShop(world)
  const account = await createBuyer(current())
  await approvePermits(current().anvil.rpc, current().asset.address, account.address, 1_000_000n)
  let headers = new Headers()
  const send: typeof fetch = (input, init) => {
    headers = new Headers(input instanceof Request ? input.headers : init?.headers)
    return fetch(input, init)
  }
  const answer = await order(pay(account, send), url, chatWire)
  const earned = () => current().chain.balanceOf(current().asset.address, world.payTo)
  const look = async () => {
    await engine.routeplane.cashier?.collectOpen()
    const [{ state, isUnsafe, reason, amountSettled, credential } = {}, ...others] = await salesOf(world)
    return { state, isUnsafe, reason, amountSettled, isKept: credential !== undefined, others: others.length }
  }
  const before = await look()
  expect([answer.status, before]).toMatchObject([200, { state: 'settled', isUnsafe: true, isKept: true, amountSettled: await earned() }])
  await current().anvil.rpc('anvil_reorg', [1, []])
  expect(await earned()).toBe(0n)
  const again = () => order(fetch, url, chatWire, { headers: Object.fromEntries(headers) })
  return { before, look, earned, again, upstream, engine }
}

describe.each(ways)('what was collected by %s and is taken back', (_name, pay) => {
  it('is collected again, and is final once its block is safe', async () => {
    const { before, look, earned, again, upstream } = await takenBack(pay)
    expect(await look()).toEqual(before)
    expect(await earned()).toBe(before.amountSettled)
    expect([(await again()).status, upstream.requests.length, await earned()]).toEqual([200, 1, before.amountSettled])
    await current().anvil.rpc('anvil_mine', ['0x40'])
    expect(await look()).toEqual({ ...before, isUnsafe: false, isKept: false })
    expect([(await again()).status, upstream.requests.length]).toEqual([200, 1])
  })
})

it('what a node that lags does not show is not collected twice, nor given up', async () => {
  let isLagging = false
  const { anvil, chain, asset } = current()
  const unseen = (method: string, params: unknown[]) => {
    const { data = '', to = '' } = (params[0] ?? {}) as { readonly data?: string; readonly to?: string }
    const isState = method === 'eth_call' && data.startsWith(toFunctionSelector('authorizationState(address,bytes32)')) && to !== ''
    if (!isLagging) return undefined
    return isState ? { result: pad('0x0') } : method === 'eth_getLogs' ? { result: [] } : undefined
  }
  const rpcUrl = await startNodeProxy(anvil.rpc, unseen)
  const { upstream, world } = await writeKeyedShop({ ...current(), rpcUrl }, script, { charge: ['networks: ["eip155:84532"]'] })
  const { url, engine } = await openShop(world)
  expect((await order(payingFetch(await createBuyer(current())), url, chatWire)).status).toBe(200)
  const [sold] = await salesOf(world)
  isLagging = true
  await engine.routeplane.cashier?.collectOpen()
  expect((await salesOf(world)).map(({ state }) => state)).toEqual(['unknown'])
  isLagging = false
  await engine.routeplane.cashier?.collectOpen()
  const [sale] = await salesOf(world)
  expect([sale?.state, sale?.transaction, sale?.amountSettled]).toEqual(['settled', sold?.transaction, sold?.amountSettled])
  expect([upstream.requests.length, await chain.balanceOf(asset.address, world.payTo)]).toEqual([1, sold?.amountSettled])
})

it('a deposit that was taken back buys no further call out of its channel', async () => {
  const { upstream, world } = await writeKeyedShop(current(), script, { charge: ['networks: ["eip155:84532"]'] })
  const { url, engine } = await openShop(world)
  const payer = await createBuyer(current())
  const pay = wrapFetchWithPayment(fetch, channelClient(payer, current().rpcUrl)) as typeof fetch
  expect((await order(pay, url, chatWire)).status).toBe(200)
  await engine.routeplane.cashier?.watch()
  expect((await order(pay, url, chatWire)).status).toBe(200)
  await current().anvil.rpc('anvil_reorg', [1, []])
  await engine.routeplane.cashier?.watch()
  const refused = await order(pay, url, chatWire)
  expect([refused.status, refused.text.includes(words[0] ?? ''), upstream.requests.length]).toEqual([402, false, 2])
  expect(engine.logged.filter((line) => line.includes('is not on the chain any more'))).toHaveLength(1)
  // Another channel is as good as ever.
  const anew = wrapFetchWithPayment(fetch, channelClient(payer, current().rpcUrl, { salt: randomHex(32) })) as typeof fetch
  expect((await order(anew, url, chatWire)).status).toBe(200)
})

it('what was taken back and has expired is said to be lost, and buys no other answer', async () => {
  const { look, earned, again, upstream, engine } = await takenBack((account, send) => payingFetch(account, ['exact'], send))
  await passTime(current(), 400)
  expect(await look()).toMatchObject({ state: 'refused', reason: 'authorization_expired', isUnsafe: false, isKept: false, others: 0 })
  const late = await again()
  expect([late.status, late.text.includes(words[0] ?? ''), upstream.requests.length, await earned()]).toEqual([402, false, 1, 0n])
  expect(engine.logged.filter((line) => line.includes('taken back by a reorganisation'))).toHaveLength(1)
})
