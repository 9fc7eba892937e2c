/** A channel of Tempo that we have sold out of, from its payer's side: filled up, taken back, and used through two processes at once. */
import { Challenge, Credential } from 'mppx'
import { concat, keccak256, pad, toHex } from 'viem'
import { createChain } from '../../src/chain/chain.ts'
import { reserveCall, reserveIdOf, tempoReserveAddress, type ReserveDescriptor } from '../../src/chain/tempo-channel.ts'
import type { PrivateKeyAccount } from 'viem/accounts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TEMPO_CLOSE_GRACE_SECONDS } from '../../contracts-abi/tempo-channels.ts'
import { transact } from '../../src/demo/install-contract.ts'
import type { TempoNetwork } from '../../src/demo/tempo-network.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { channelsOn } from '../../src/selling/mpp/tempo/channels.ts'
import { endWantedBack } from '../../src/selling/mpp/tempo/closing.ts'
import { startNodeProxy } from '../support/node-proxy.ts'
import { readLedger } from '../support/read-ledger.ts'
import { chatWire, openShop, order, salesOf, type ShopWorld, type Wire } from '../support/shop.ts'
import {
  COST,
  createTempoBuyer,
  managedSession,
  script,
  sessionClient,
  spoken,
  useTempoNetwork,
  words,
  writeTempoShop,
} from '../support/tempo-shop.ts'
import type { Upstream } from '../support/upstream.ts'
import { startChild } from './children/start.ts'

const current = useTempoNetwork()
const balanceOf = (network: TempoNetwork, owner: `0x${string}`) => network.chain.balanceOf(network.asset.address, owner)
const settledOf = async (world: ShopWorld) => (await salesOf(world)).reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n)

describe('an unmodified client whose channel is used up', () => {
  it('fills it before its next call', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { url, engine } = await openShop(world)
    const { fetch: pay } = sessionClient(current(), await createTempoBuyer(current()), '5')
    // Its deposit is good for ten calls, of which each is promised whole.
    for (let call = 1; call <= 12; call++) {
      const answer = await order(pay as typeof fetch, url, chatWire, { text: `call ${call}` })
      expect([call, answer.status, chatWire.textOf(answer.text)]).toEqual([call, 200, words.join('')])
    }
    expect(await settledOf(world)).toBe(12n * COST)
    // The last is written down with the channel until that changes again; of the others the books know.
    const [channel] = await readLedger(world, ({ sales }) => channelsOn(sales.channels).list())
    expect(Object.keys(channel?.sales ?? {})).toHaveLength(1)
    expect(await engine.routeplane.cashier?.payOut()).toBe(1)
    expect(await balanceOf(current(), world.payTo)).toBe(12n * COST)
  })

  it('fills it in the middle of a stream, which goes on', async () => {
    const long = Array.from({ length: 60 }, (_, at) => `w${at} `)
    const { world } = await writeTempoShop(current(), spoken(long))
    const { url, engine } = await openShop(world)
    const { fetch: pay } = sessionClient(current(), await createTempoBuyer(current()), '5')
    const response = await pay(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...chatWire.body(true, 'how are you?'), max_tokens: 60 }),
      context: { depositRaw: '400' },
    })
    const text = await response.text()
    expect([response.status, chatWire.textOf(text)]).toEqual([200, long.join('')])
    const spent = await settledOf(world)
    expect(spent).toBeGreaterThan(400n)
    expect(await engine.routeplane.cashier?.payOut()).toBe(1)
    expect(await balanceOf(current(), world.payTo)).toBe(spent)
  })
})

const paidBy = (authorization: string) => Credential.deserialize<{ readonly descriptor: ReserveDescriptor }>(authorization).payload

/** Buys one answer out of a new channel. */
async function buyOne(url: string, account: PrivateKeyAccount) {
  const client = sessionClient(current(), account)
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(chatWire.body(false, 'one')) }
  const payment = await client.preparePayment(await client.rawFetch(url + chatWire.path(false), request), { request })
  const headers = new Headers(payment.setCredential(request, await payment.createCredential()).headers)
  const authorization = headers.get('authorization') ?? ''
  const again = (at = url) => order(fetch, at, chatWire, { text: 'one', headers: { authorization } })
  return { answer: await again(), again, authorization, descriptor: paidBy(authorization).descriptor }
}

/** The payer himself asks the reserve for his money. */
async function sendAsPayer(step: 'requestClose' | 'withdraw', descriptor: ReserveDescriptor): Promise<void> {
  const { rpc } = current().anvil
  const { to, data } = await reserveCall(descriptor, step, 0n)
  await rpc('anvil_impersonateAccount', [descriptor.payer])
  await transact(rpc, { from: descriptor.payer, to, data, gas: '0x100000' })
}

/** The one channel that a world has sold out of, as its ledger has it. */
function descriptorOf(world: ShopWorld): Promise<ReserveDescriptor> {
  return readLedger(world, async ({ sales }) => {
    const [channel] = await channelsOn(sales.channels).list()
    return channel?.descriptor as unknown as ReserveDescriptor
  })
}

/** For the chain, which goes back to where it was when the test has finished: its clients go by their own clocks. */
async function pass(seconds: number): Promise<void> {
  const { rpc } = current().anvil
  const before = await rpc('evm_snapshot')
  onTestFinished(async () => void (await rpc('evm_revert', [before])))
  await rpc('evm_increaseTime', [seconds])
  await rpc('evm_mine')
}

/** Has the payer have asked so much earlier: in the stand-in's storage, for no transaction of now is valid on a chain that is far ahead. */
async function antedate(descriptor: ReserveDescriptor, seconds: number): Promise<void> {
  const { anvil, network } = current()
  const slot = keccak256(concat([await reserveIdOf(descriptor, network), pad('0x1')]))
  const state = BigInt((await anvil.rpc('eth_getStorageAt', [tempoReserveAddress, slot, 'latest'])) as string)
  await anvil.rpc('anvil_setStorageAt', [tempoReserveAddress, slot, pad(toHex(state - (BigInt(seconds) << 192n)))])
}

describe('a payer who takes his channel back on the chain', () => {
  it('gets it less what was charged, whether or not he has waited', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { url, engine } = await openShop(world)
    const buyer = await createTempoBuyer(current())
    const { answer, descriptor } = await buyOne(url, buyer)
    expect([answer.status, await engine.routeplane.cashier?.watch()]).toEqual([200, 0])
    await sendAsPayer('requestClose', descriptor)
    const before = await balanceOf(current(), buyer.address)
    expect(await engine.routeplane.cashier?.watch()).toBe(1)
    expect(await balanceOf(current(), world.payTo)).toBe(COST)
    expect(await balanceOf(current(), buyer.address)).toBeGreaterThan(before)
    await pass(TEMPO_CLOSE_GRACE_SECONDS)
    await expect(sendAsPayer('withdraw', descriptor)).rejects.toThrow()
    expect(await engine.routeplane.cashier?.watch()).toBe(0)
  })

  it('is waited for while an answer is under way, and not for so long that all would be lost', async () => {
    const { world, upstream } = await writeTempoShop(current(), (request, count) => (count === 1 ? { stream: ['stall'] } : script(request)))
    const { url, engine } = await openShop(world)
    const buyer = await createTempoBuyer(current())
    const { fetch: pay } = sessionClient(current(), buyer)
    await order(pay as typeof fetch, url, chatWire)
    const leaving = new AbortController()
    const unanswered = (pay as typeof fetch)(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatWire.body(true, 'and now?')),
      signal: leaving.signal,
    }).catch(() => {})
    await upstreamAsked(upstream, 2)
    const descriptor = await descriptorOf(world)
    await sendAsPayer('requestClose', descriptor)
    expect(await engine.routeplane.cashier?.watch()).toBe(0)
    await antedate(descriptor, TEMPO_CLOSE_GRACE_SECONDS / 2)
    expect(await engine.routeplane.cashier?.watch()).toBe(1)
    expect(await balanceOf(current(), world.payTo)).toBe(COST)
    leaving.abort()
    await unanswered
  })

  it('has all of it when nobody was here to claim, which is said once', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { url, engine } = await openShop(world)
    const { descriptor } = await buyOne(url, await createTempoBuyer(current()))
    await sendAsPayer('requestClose', descriptor)
    await pass(TEMPO_CLOSE_GRACE_SECONDS)
    await sendAsPayer('withdraw', descriptor)
    for (const _again of [1, 2]) expect(await engine.routeplane.cashier?.watch()).toBe(0)
    expect([await engine.routeplane.cashier?.payOut(), await balanceOf(current(), world.payTo)]).toEqual([0, 0n])
    expect(engine.logged.filter((line) => line.includes('could not be ended'))).toEqual([expect.stringContaining('the payer has taken')])
  })

  it('has it even when that is so long ago that the node shows nothing of it, which is said once', async () => {
    const { world } = await writeTempoShop(current(), script)
    const { descriptor } = await buyOne((await openShop(world)).url, await createTempoBuyer(current()))
    const { network, anvil } = current()
    const warned: unknown[] = []
    await readLedger(world, async (ledger) => {
      const forgetful = await startNodeProxy(anvil.rpc, (method, [, block]) =>
        method === 'eth_call' && block !== 'latest'
          ? { error: { code: -32_000, message: 'the state of that block is pruned' } }
          : undefined,
      )
      const chain = createChain({ network, rpcUrl: forgetful, lookbackBlocks: 2n })
      const log = { ...silentLog, warn: (_event: string, fields: unknown) => void warned.push(fields) }
      const clientOf = () => Promise.reject(new Error('there is nothing to send'))
      const watch = () => endWantedBack({ channels: ledger.sales.channels, chainOf: () => chain, clientOf, clock: systemClock, log })
      await sendAsPayer('requestClose', descriptor)
      await pass(TEMPO_CLOSE_GRACE_SECONDS)
      await sendAsPayer('withdraw', descriptor)
      await anvil.rpc('anvil_mine', ['0x3'])
      for (const _again of [1, 2]) expect(await watch()).toBe(0)
      expect(warned).toEqual([expect.objectContaining({ code: 'channel_closed', reason: expect.stringContaining('too long ago') })])
      expect(await channelsOn(ledger.sales.channels).list()).toEqual([])
      const left = await channelsOn(ledger.sales.channels).get(await reserveIdOf(descriptor, network))
      expect(left).toMatchObject({ finalized: true, settledOnChain: 0n, spent: COST })
    })
  })

  it('is not taken to have it by a node that does not know of the opening yet', async () => {
    const { rpcUrl, network } = current()
    const chain = createChain({ network, rpcUrl, lookbackBlocks: 2n })
    const { timestampSeconds } = await chain.latestBlock()
    await expect(chain.channel(pad('0x1', { size: 32 }), timestampSeconds)).rejects.toMatchObject({ code: 'upstream_error' })
  })

  it('may think better of it by filling it up', async () => {
    const { world } = await writeTempoShop(current(), script)
    const [{ url }, other] = [await openShop(world), await openShop(world)]
    const session = managedSession(current(), await createTempoBuyer(current()))
    const ask = (text: string, at = url) =>
      session.fetch(at + chatWire.path(false), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(chatWire.body(false, text)),
      })
    expect((await ask('one')).status).toBe(200)
    await sendAsPayer('requestClose', await descriptorOf(world))
    // Who has just looked at the channel takes it to be as it was for some seconds.
    expect((await ask('two', other.url)).status).toBe(410)
    expect(await session.topUp(1_000n)).toMatchObject({ status: 'success' })
    expect((await ask('three')).status).toBe(200)
  })
})

it('a channel whose opening a reorganisation has taken back buys nothing more, and another does', async () => {
  const { world, upstream } = await writeTempoShop(current(), script)
  const [{ url }, other] = [await openShop(world), await openShop(world)]
  const buyer = await createTempoBuyer(current())
  const { fetch: pay } = sessionClient(current(), buyer)
  expect((await order(pay as typeof fetch, url, chatWire)).status).toBe(200)
  await current().anvil.rpc('anvil_reorg', [1, []])
  // Who has just looked at the channel takes it to be as it was for some seconds.
  const refused = await order(pay as typeof fetch, other.url, chatWire, { text: 'and now?' })
  expect([[402, 410].includes(refused.status), upstream.requests.length]).toEqual([true, 1])
  expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  const { fetch: payAnew } = sessionClient(current(), await createTempoBuyer(current()))
  expect((await order(payAnew as typeof fetch, other.url, chatWire)).status).toBe(200)
})

describe('a stranger who has read on the chain which channels there are', () => {
  const writtenOn = (challenge: Challenge.Challenge, authorization: string, changes: object) =>
    Credential.serialize({ challenge, payload: { ...paidBy(authorization), ...changes } })
  /** Cheap enough for what is left of another's voucher. */
  const small: Wire = { ...chatWire, body: (stream, text) => ({ ...chatWire.body(stream, text), max_tokens: 5 }) }
  const asked = async (url: string) =>
    Challenge.fromResponseList(
      await fetch(url + chatWire.path(false), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(small.body(false, 'mine')),
      }),
    ).find(({ intent }) => intent === 'session') as Challenge.Challenge

  it('buys nothing out of one, and ends none', async () => {
    const { world, upstream } = await writeTempoShop(current(), script)
    const { url } = await openShop(world)
    const { answer, authorization } = await buyOne(url, await createTempoBuyer(current()))
    expect(answer.status).toBe(200)
    const signature = `0x${'11'.repeat(65)}`
    // What the victim has promised and not spent would pay for it.
    for (const action of ['open', 'voucher']) {
      const headers = { authorization: writtenOn(await asked(url), authorization, { action, cumulativeAmount: '1', signature }) }
      const stolen = await order(fetch, url, small, { text: 'mine', headers })
      expect([action, stolen.status, stolen.headers.has('www-authenticate'), upstream.requests.length]).toEqual([action, 402, true, 1])
    }
    const ended = writtenOn(await asked(url), authorization, { action: 'close', signature })
    const { status } = await fetch(url + chatWire.path(false), { method: 'POST', headers: { authorization: ended } })
    expect([status, await settledOf(world), (await salesOf(world)).length]).toEqual([402, COST, 1])
  })
})

describe('two processes behind one ledger', () => {
  it('sell out of one channel, each call once, and take the vouchers of a stream that the other answers', async () => {
    const long = Array.from({ length: 60 }, (_, at) => `w${at} `)
    const { world, upstream } = await writeTempoShop(current(), (request) =>
      (request.json as { max_tokens: number }).max_tokens === long.length ? spoken(long) : script(request),
    )
    const { url, engine } = await openShop(world)
    const other = await startChild('shop.ts', world).first()
    const buyer = await createTempoBuyer(current())
    const { answer, again } = await buyOne(url, buyer)
    const answers = [answer, await again(), await again(other)].map(({ status, text }) => [status, chatWire.textOf(text)])
    expect(answers).toEqual(Array.from({ length: 3 }, () => [200, words.join('')]))
    expect([upstream.requests.length, await settledOf(world)]).toEqual([1, COST])

    // What belongs to a stream, and not to a request, goes to the other one.
    let moved = 0
    const balanced: typeof fetch = (input, init) => {
      const isBare = init?.body === undefined && init?.method === 'POST'
      if (isBare) moved++
      return fetch(isBare ? (input as URL).href.replace(url, other) : input, init)
    }
    const { fetch: pay } = sessionClient(current(), buyer, '5', balanced)
    const streamed = await pay(url + chatWire.path(true), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...chatWire.body(true, 'how are you?'), max_tokens: long.length }),
    })
    expect(chatWire.textOf(await streamed.text())).toBe(long.join(''))
    expect(moved).toBeGreaterThan(0)
    for (const at of [url, other, url, other]) {
      const next = await order(pay as typeof fetch, at, chatWire, { text: `at ${at}` })
      expect([next.status, chatWire.textOf(next.text)]).toEqual([200, words.join('')])
    }
    expect(await engine.routeplane.cashier?.payOut()).toBe(2)
    expect(upstream.requests).toHaveLength(6)
    expect(await balanceOf(current(), world.payTo)).toBe(await settledOf(world))
  })
})

async function upstreamAsked({ requests }: Upstream, times: number): Promise<void> {
  while (requests.length < times) await new Promise((resolve) => setTimeout(resolve, 10))
}
