/** Calls that are paid with their first send: one round trip at the official sellers, and never two payments for one call. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { startChannelProvider } from '../../src/demo/channel-provider.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { startDemoNetwork } from '../../src/demo/network.ts'
import { startPermitProvider } from '../../src/demo/permit-provider.ts'
import { readSigned, startRelay, type Passed } from '../gateway/relay.ts'
import { settle } from '../support/authorization.ts'
import { channelPrices, expectChannelsBalanced } from '../support/channel-market.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  openEngine,
  paidOf,
  passTime,
  question,
  readBooks,
  rewriteConfig,
  writeWorld,
} from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'
import { startChild } from './children/start.ts'

const current = useDemoNetwork()
beforeAll(async () => {
  await installPermitContracts(current().anvil.rpc)
  await installChannelContracts(current().anvil.rpc)
})

const prices = { prompt: '0.000001', completion: '0.000005' }

type Faults = { mutateChallenge?: (offers: never[]) => never[] }

/** A seller of one way of paying, whose offers the returned function changes. */
async function startSeller(kind: 'exact' | 'permit' | 'upto' | 'batch-settlement') {
  const { asset, facilitator } = current()
  const common = { id: kind, prices, payTo: randomHex(20), facilitator: facilitator.client, asset }
  if (kind === 'exact') return { ...(await current().startProvider({ id: kind, prices })), schemes: ['exact'] }
  const seller =
    kind === 'batch-settlement'
      ? await startChannelProvider({ ...common, prices: channelPrices })
      : await startPermitProvider({ ...common, scheme: kind === 'upto' ? 'upto' : 'exact', faults: {} })
  onTestFinished(() => seller.stop())
  return { ...seller, schemes: kind === 'permit' ? ['exact'] : [kind] }
}

/** Changes what a seller asks from now on. */
function scale(faults: object, percent: bigint): void {
  const change = (offers: { amount: string }[]) =>
    offers.map((offer) => ({ ...offer, amount: ((BigInt(offer.amount) * percent) / 100n).toString() }))
  ;(faults as Faults).mutateChallenge = change as unknown as NonNullable<Faults['mutateChallenge']>
}

/** Every request of a completion that reached a relay, by whether it brought a payment. */
const paths = (relay: { readonly requests: readonly { readonly method: string; readonly headers: object }[] }) =>
  relay.requests.filter(({ method }) => method === 'POST').map(({ headers }) => ('payment-signature' in headers ? 'paid' : 'asked'))

describe.each(['exact', 'permit', 'upto', 'batch-settlement'] as const)('a seller paid by %s', (kind) => {
  it('is asked once, then paid with the first send, and a price that moves costs one refusal and no money', async () => {
    verifies('card.pay.x402', 'card.pay.once')
    const seller = await startSeller(kind)
    const relay = { ...(await startRelay(seller)), schemes: seller.schemes }
    const world = await writeWorld(current(), { sellers: [relay] })
    await approvePermits(current().anvil.rpc, current().asset.address, world.payer, 1_000_000n)
    const engine = await openEngine(world)
    const url = await engine.serve()
    for (const percent of [100n, 104n, 50n]) {
      scale(seller.faults, percent)
      for (let call = 0; call < 2; call++) expect((await ask(url)).status).toBe(200)
    }
    expect(paths(relay)).toEqual(['asked', ...Array.from({ length: 8 }, () => 'paid')])
    const books = await closedBooks(world)
    expectBalanced(books)
    expect(books.rows.filter(({ state }) => state === 'settled').length).toBe(kind === 'batch-settlement' ? 7 : 6)
    const renewed = books.rows.filter(({ payment }) => payment?.particulars?.['renewed'] !== undefined)
    expect(renewed.length).toBe(2)
    for (const { id } of renewed) expect((await engine.routeplane.receipts.verify(id)).verified).toBe(true)
    if (kind !== 'batch-settlement') return
    await engine.close()
    const market = { network: current(), startSeller: () => Promise.reject(new Error('one is enough')) }
    await expectChannelsBalanced(market, world, seller as never, await readBooks(world))
  })
})

it('is always asked first when the user says so', async () => {
  const relay = await startRelay(await startSeller('exact'))
  const world = await rewriteConfig(await writeWorld(current(), { sellers: [relay] }), ['payment: { preemptive: never }'])
  const url = await (await openEngine(world)).serve()
  for (let call = 0; call < 2; call++) expect((await ask(url)).status).toBe(200)
  expect(paths(relay)).toEqual(['asked', 'paid', 'asked', 'paid'])
})

describe('a call of another length', () => {
  it('is asked for its price, unless the seller has shown that it takes the same for every call', async () => {
    const seller = await current().startProvider({ id: 'flat', prices: { ...prices, request: '0.0001' } })
    const flat = { amount: '150' }
    seller.faults.mutateChallenge = (offers) => offers.map((offer) => ({ ...offer, ...flat }))
    const relay = await startRelay(seller)
    const url = await (await openEngine(await writeWorld(current(), { sellers: [relay] }))).serve()
    for (const limit of [20, 21, 22, 23]) expect((await ask(url, { ...question, max_tokens: limit })).status).toBe(200)
    expect(paths(relay)).toEqual(['asked', 'paid', 'asked', 'paid', 'paid', 'paid'])
  })

  it('is asked for its price where each has its own', async () => {
    const relay = await startRelay(await current().startProvider({ id: 'metered', prices }))
    const url = await (await openEngine(await writeWorld(current(), { sellers: [relay] }))).serve()
    for (const limit of [20, 21, 20, 22]) expect((await ask(url, { ...question, max_tokens: limit })).status).toBe(200)
    expect(paths(relay)).toEqual(['asked', 'paid', 'asked', 'paid', 'paid', 'asked', 'paid'])
  })
})

/** A seller's 402 with other terms than its own. */
function dearer(answer: Passed, change: (amount: bigint) => bigint): Passed {
  const challenge = JSON.parse(Buffer.from(String(answer.headers['payment-required']), 'base64').toString())
  for (const offer of challenge.accepts) offer.amount = change(BigInt(offer.amount)).toString()
  return { ...answer, headers: { ...answer.headers, 'payment-required': encodePaymentRequiredHeader(challenge) } }
}

describe('a seller who refuses what he was sent and keeps it', () => {
  it.each([
    ['the first', [0, 1]],
    ['the second', [1, 0]],
  ])('can cash one of the two signatures: %s', async (_, order) => {
    verifies('card.pay.once')
    let challenge: Passed | undefined
    const seller = await current().startProvider({ id: 'crook', prices })
    const cashBoth = async () => {
      const kept = relay.credentials.slice(1).map(readSigned)
      const [sooner, later] = order.map((at) => kept[at]!)
      await settle(current(), sooner!)
      await expect(settle(current(), later!)).rejects.toThrow('reverted')
      return challenge as Passed
    }
    const relay = await startRelay(seller, {
      tamper: (answer) => (answer.status === 402 ? (challenge = answer) : answer),
      instead(_request, paid) {
        if (paid === 2) return dearer(challenge as Passed, (amount) => amount + 2n)
        return paid < 3 ? undefined : cashBoth()
      },
    })
    const world = await writeWorld(current(), { sellers: [relay] })
    const engine = await openEngine(world)
    const url = await engine.serve()
    expect((await ask(url)).status).toBe(200)
    const before = paidOf(await readBooks(world))
    expect((await ask(url)).error).toMatchObject({ code: 'answer_lost', money: 'settled' })
    const [first, second] = relay.credentials.slice(1).map(readSigned)
    expect([second?.nonce, second?.to, second?.value]).toEqual([first?.nonce, first?.to, (first?.value ?? 0n) + 2n])
    const books = await closedBooks(world)
    expectBalanced(books)
    expect(paidOf(books) - before).toBe(order[0] === 0 ? first?.value : second?.value)
    expect((await engine.routeplane.receipts.verify(books.rows[0]?.id ?? '')).verified).toBe(true)
  })

  it.each([
    ['before it has heard of the price', 'refusal', 'released'],
    ['with both signatures at large, of which none is cashed', 'neither', 'released'],
    ['with both signatures at large, of which the first is cashed', 'first', 'settled'],
    ['with both signatures at large, of which the second is cashed', 'second', 'settled'],
  ] as const)('leaves one payment at most by a process that is killed %s', async (_, moment, state) => {
    verifies('card.pay.once', 'card.pay.unknown_outcome')
    const network = await startDemoNetwork()
    onTestFinished(() => network.stop())
    let challenge: Passed | undefined
    const seller = await network.startProvider({ id: 'mover', prices })
    let cashing: Promise<Passed> | undefined
    const kill = async () => {
      child.process.kill('SIGKILL')
      const [first, second] = relay.credentials.slice(1).map(readSigned)
      if (moment === 'first') await settle(network, first!)
      if (moment === 'second') await settle(network, second!)
      return challenge as Passed
    }
    const relay = await startRelay(seller, {
      tamper: (answer) => (answer.status === 402 ? (challenge = answer) : answer),
      instead(_request, paid) {
        if (paid === 2 && moment !== 'refusal') return dearer(challenge as Passed, (amount) => amount + 2n)
        return paid < 2 ? undefined : (cashing = kill())
      },
    })
    const world = await writeWorld(network, { sellers: [relay] })
    const child = startChild('crash.ts', world, '1')
    await child.ended
    await cashing
    const [, first, second] = relay.credentials.map(readSigned)
    expect([relay.credentials.length, second?.nonce ?? first?.nonce]).toEqual([moment === 'refusal' ? 2 : 3, first?.nonce])
    await passTime(network, 90)
    await openEngine(world)
    const books = await closedBooks(world)
    expectBalanced(books)
    const [last] = books.rows.filter(({ payment }) => payment?.nonce === first?.nonce)
    const cashed = { first: first?.value, second: second?.value, neither: undefined, refusal: undefined }[moment]
    expect([last?.state, last?.payment?.amountSettled]).toEqual([state, cashed])
  })

  it('gets nothing more for terms that nobody would agree to', async () => {
    let challenge: Passed | undefined
    const seller = await current().startProvider({ id: 'greedy', prices })
    const relay = await startRelay(seller, {
      tamper: (answer) => (answer.status === 402 ? (challenge = answer) : answer),
      instead: (_, paid) => (paid < 2 ? undefined : dearer(challenge as Passed, (amount) => amount * 100n)),
    })
    const world = await writeWorld(current(), { sellers: [relay] })
    const url = await (await openEngine(world)).serve()
    expect((await ask(url)).status).toBe(200)
    expect((await ask(url)).error).toMatchObject({ code: 'price_mismatch', money: 'unknown' })
    expect(relay.credentials.length).toBe(2)
    const [row] = (await readBooks(world)).open
    expect(row?.payment?.amountAuthorized).toBe(readSigned(relay.credentials[1]).value)
  })

  it('is asked first again, after he has done so twice', async () => {
    const seller = await current().startProvider({ id: 'proud', prices })
    let challenge: Passed | undefined
    let isAsked = false
    const relay = await startRelay(seller, {
      tamper: (answer, _, paid) => {
        isAsked = paid === 0
        return answer.status === 402 ? (challenge = answer) : answer
      },
      instead: (_, paid) => {
        const isUnasked = paid > 0 && !isAsked
        isAsked = true
        return isUnasked ? (challenge as Passed) : undefined
      },
    })
    const world = await writeWorld(current(), { sellers: [relay] })
    const url = await (await openEngine(world)).serve()
    for (let call = 0; call < 4; call++) expect((await ask(url)).status).toBe(200)
    expect(paths(relay)).toEqual(['asked', 'paid', 'paid', 'paid', 'paid', 'paid', 'asked', 'paid'])
    expectBalanced(await closedBooks(world))
  })
})

it('is not paid unasked while another could be tried: a seller who fails is passed over', async () => {
  verifies('models.fallback.provider')
  const first = await current().startProvider({ id: 'first', prices })
  const second = await current().startProvider({ id: 'second', prices: { prompt: '0.000002', completion: '0.00001' } })
  const world = await writeWorld(current(), { sellers: [first, second] })
  const url = await (await openEngine(world)).serve()
  for (let call = 0; call < 2; call++) expect((await ask(url)).status).toBe(200)
  expect(first.counters.requests).toBe(4)
  first.faults.refuseWith = 500
  const reply = await ask(url)
  expect([reply.status, reply.headers.get('x-routeplane-provider')]).toEqual([200, 'second'])
})

it('is not paid unasked under an offer that may be about one call', async () => {
  const seller = await current().startProvider({ id: 'quoting', prices })
  seller.faults.mutateChallenge = (offers) => offers.map(({ extra, ...offer }) => ({ ...offer, extra: { ...extra, quote: 'q1' } }))
  const relay = await startRelay(seller)
  const url = await (await openEngine(await writeWorld(current(), { sellers: [relay] }))).serve()
  for (let call = 0; call < 2; call++) expect((await ask(url)).status).toBe(200)
  expect(paths(relay)).toEqual(['asked', 'paid', 'asked', 'paid'])
})
