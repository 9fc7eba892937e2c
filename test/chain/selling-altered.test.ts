/** Payments with one member changed, of every scheme and carriage that is sold under: none is served, and none harms the payment it was made of. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { channelsOn } from '../../src/selling/mpp/tempo/channels.ts'
import { alterationsOf, type Altered } from '../support/altered.ts'
import { carried, carriages, jsonIn, requestOf, useWaysToPay, type WayToPay } from '../support/payments.ts'
import { readLedger } from '../support/read-ledger.ts'
import { openShop, order, salesOf, untilAnswered, wires, type Bought, type Wire } from '../support/shop.ts'
import { createTempoBuyer, managedSession, script, writeTempoShop } from '../support/tempo-shop.ts'

const { onTempo, ways } = useWaysToPay()
const [chat, messages, responses, generate] = wires as [Wire, Wire, Wire, Wire]

/** One way to pay, at the wire that it is tried over. */
type Trial = {
  readonly by: string
  readonly wire: Wire
  /** The second payment of its payer, out of the channel that the first has filled. */
  readonly isSecond?: true
  /** What nobody looks at either, before the payment was taken for the first time, and from then on. */
  readonly unread?: RegExp
  readonly unreadAgain?: RegExp
}

/** Who says that he pays; what is signed says it, too. */
const SOURCE = /^source:/
const trials: readonly Trial[] = [
  { by: 'x402 exact', wire: chat },
  { by: 'x402 v1 exact', wire: messages },
  { by: 'x402 exact through Permit2', wire: responses },
  { by: 'x402 upto', wire: generate },
  { by: 'x402 batch-settlement', wire: chat },
  { by: 'x402 batch-settlement', wire: responses, isSecond: true },
  { by: 'evm/charge', wire: messages, unread: SOURCE },
  { by: 'tempo/charge', wire: responses, unread: SOURCE },
  {
    by: 'tempo/session',
    wire: chat,
    // The network passes over what stands behind a transaction; once the channel is there, its opening is not looked at any more.
    unread: /^(?:payload\.transaction: a byte more|payload\.authorizedSigner: missing|source:)/,
    unreadAgain: /^payload.(?:type|transaction|authorizedSigner)\b/,
  },
  { by: 'tempo/session', wire: generate, isSecond: true },
]
const cases = trials.map((trial) => {
  const way = ways.find(({ name }) => name === trial.by) as WayToPay
  return { ...trial, way, name: trial.isSecond === true ? `${trial.by}, out of its channel,` : trial.by }
})

/** Members that nobody reads: what they say about a payment is said by what was signed, or by the request that it comes with. */
const UNREAD = /^(?:resource|extensions)(?:\.|$)/
/** Of two members of one name, the last counts for every reader. More members than the protocol knows are passed over, but in an offer. */
const isTheSame = ({ at, change }: Altered) =>
  UNREAD.test(at) || change === 'told twice, first another' || (change === 'one member more' && !at.startsWith('accepted'))
const NONE = /^$/
/** The letters of hexadecimal digits: those of an address may be its checksum, and those of an amount are none. */
const isSpelling = ({ change }: Altered) => change === 'in capitals' || change === 'in small letters'

type Failure = {
  readonly error: {
    readonly code: string | number
    readonly details: readonly { readonly reason: string }[] & { readonly error_code: string }
  }
}
/** The code of an error in the words of each wire. */
const codes: Readonly<Record<string, (failure: Failure) => unknown>> = {
  chat_completions: ({ error }) => error.code,
  responses: ({ error }) => error.code,
  messages: ({ error }) => error.details.error_code,
  generate_content: ({ error }) => error.details[0]?.reason.toLowerCase(),
}

/** Refused in the caller's own protocol: as what cannot be read, or with a way to pay. */
function expectRefused({ status, headers, text }: Bought, wire: Wire, what: string): void {
  const isAsked = headers.has('payment-required') || headers.has('www-authenticate')
  if (status === 402) return expect([isAsked, headers.get('cache-control')], what).toEqual([true, expect.stringContaining('no-store')])
  // Too long to be read at all: nobody knows yet whom it is for.
  if (status === 431) return
  const code = codes[wire.name]?.(JSON.parse(text) as Failure)
  expect([status, code], `${what}: ${text}`).toEqual([400, 'invalid_payment'])
}

/** Each run takes some; another seed takes others. */
const someOf = (all: readonly Altered[], most: number) =>
  fc.sample(fc.shuffledSubarray([...all], { minLength: Math.min(most, all.length), maxLength: Math.min(most, all.length) }), 1).flat()
const named = ({ at, change }: Altered) => `${at}: ${change}`

describe.each(cases)('a payment by $name', ({ way, wire, isSecond = false, unread = NONE, unreadAgain = NONE }) => {
  it('is not taken with any member changed, and is worth what it was', async () => {
    let isDown = false
    const down = { status: 500, json: { error: { message: 'no' } } }
    const { world, upstream } = await way.open((request) => (isDown ? down : script(request)))
    const { url } = await openShop(world)
    const { fetch: pay = fetch, sign } = await way.createPayer()
    if (isSecond) expect((await order(pay, url, wire, { text: 'one' })).status).toBe(200)
    const payment = JSON.parse(JSON.stringify(await sign(url, wire))) as object
    const before = await salesOf(world)
    const send = ({ json }: Pick<Altered, 'json'>) => untilAnswered(() => order(fetch, url, wire, { headers: carried(way.carriage, json) }))
    const all = alterationsOf(payment)
    const refuse = async (altered: readonly Altered[]) => {
      for (let at = 0; at < altered.length; at += 16)
        await Promise.all(altered.slice(at, at + 16).map(async (each) => expectRefused(await send(each), wire, named(each))))
    }
    const isSame = (altered: Altered) => isTheSame(altered) || unread.test(named(altered))
    const others = all.filter((altered) => !isSame(altered) && !isSpelling(altered))
    isDown = true
    await refuse(someOf(others, 40))
    expect([upstream.requests.length, await salesOf(world)]).toEqual([before.length, before])

    // One after another: the provider fails, and leaves the payment as it was.
    for (const same of someOf(all.filter(isSame), 5)) {
      const asked = upstream.requests.length
      const { status, text } = await send(same)
      expect([status, upstream.requests.length], `${named(same)}: ${text}`).toEqual([502, asked + 1])
    }
    for (const spelt of someOf(all.filter(isSpelling), 3)) {
      const answer = await send(spelt)
      if (answer.status !== 502) expectRefused(answer, wire, named(spelt))
    }
    const again = others.filter((altered) => !unreadAgain.test(named(altered)))
    await refuse(someOf(again, 8))
    // What nothing is owed for is forgotten by the next that is refused.
    const left = (await salesOf(world)).map(({ state }) => state).filter((state) => state !== 'void')
    expect(left).toEqual(before.map(() => 'settled'))
    isDown = false
    const paid = await send({ json: JSON.stringify(payment) })
    expect([paid.status, wire.textOf(paid.text)]).toEqual([200, 'how are you today?'])
    const asked = upstream.requests.length
    for (const same of someOf(all.filter(isSame), 2)) expect(wire.textOf((await send(same)).text)).toBe(wire.textOf(paid.text))
    const states = (await salesOf(world)).map(({ state }) => state)
    expect([upstream.requests.length, states]).toEqual([asked, ['settled', ...before.map(() => 'settled')]])
  })
})

/** Anything that adds to a channel may be sent on any challenge of ours; see `isOurs`. */
const OF_ANY_REQUEST = 'challenge.id: (?:a space behind|a letter more)|source:'
/** What a payer sends beside his requests, to the same address and without a body. */
const besides: readonly (readonly [string, RegExp, (session: ReturnType<typeof managedSession>) => Promise<unknown>])[] = [
  [
    'topUp',
    new RegExp(`^(?:${OF_ANY_REQUEST}|payload.transaction: a byte more|payload.additionalDeposit: a leading zero)`),
    (session) => session.topUp(1_000n),
  ],
  ['close', new RegExp(`^(?:${OF_ANY_REQUEST})`), (session) => session.close()],
]

describe.each(besides)('a %s that comes beside the requests of a channel', (_action, unread, act) => {
  it('is not heard with any member of it changed, and the channel stays as it was', async () => {
    const { world } = await writeTempoShop(onTempo(), script)
    const { url } = await openShop(world)
    let kept: string | undefined
    const session = managedSession(onTempo(), await createTempoBuyer(onTempo()), '1', async (input, init) => {
      const headers = new Headers(init?.headers)
      if (headers.get('content-type') !== null) return fetch(input, init)
      kept = headers.get('authorization') ?? ''
      return new Response('', { status: 503 })
    })
    expect((await session.fetch(url + chat.path(false), requestOf(chat))).status).toBe(200)
    await act(session).catch(() => {})
    const credential = jsonIn(carriages.mpp, kept ?? '')
    const send = async (json: string) => {
      const response = await fetch(url + chat.path(false), { method: 'POST', headers: carried(carriages.mpp, json) })
      return { status: response.status, headers: response.headers, text: await response.text(), receipt: undefined }
    }
    const channels = () => readLedger(world, ({ sales }) => channelsOn(sales.channels).list())
    const before = await channels()
    const all = alterationsOf(credential)
    const others = all.filter((altered) => !isTheSame(altered) && !isSpelling(altered) && !unread.test(named(altered)))
    for (const each of someOf(others, 40)) expectRefused(await send(each.json), chat, named(each))
    expect(await channels()).toEqual(before)
    const done = await send(JSON.stringify(credential))
    expect([done.status, done.headers.has('payment-receipt')], done.text).toEqual([204, true])
    expect(await channels()).not.toEqual(before)
  })
})
