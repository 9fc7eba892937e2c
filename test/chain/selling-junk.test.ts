/** Junk in a payer's name, under the very key of his payment, keeps him from nothing: it is judged before it claims. */
import type { PaymentPayload } from '@x402/core/types'
import { wrapFetchWithPayment } from '@x402/fetch'
import { Mppx, evm } from 'mppx/client'
import { assets } from 'mppx/evm'
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'
import { beforeAll, describe, expect, it } from 'vitest'
import { installChannelContracts } from '../../src/demo/channel-contracts.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { channelClient } from '../support/payments.ts'
import { chatWire, createBuyer, openShop, order, payingFetch, salesOf, writeKeyedShop } from '../support/shop.ts'
import { script } from '../support/tempo-shop.ts'

const current = useDemoNetwork()
beforeAll(async () => {
  await installPermitContracts(current().anvil.rpc)
  await installChannelContracts(current().anvil.rpc)
})

type Carried = Readonly<Record<string, string>>

const channelFetch = (account: PrivateKeyAccount, send: typeof fetch) =>
  wrapFetchWithPayment(send, channelClient(account, current().rpcUrl)) as typeof fetch

const challengeFetch = (account: PrivateKeyAccount, send: typeof fetch) => {
  const methods = [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
  return Mppx.create({ polyfill: false, fetch: send, methods }).fetch as typeof fetch
}

type Way = {
  readonly name: string
  /** Calls that are paid before the one that junk is sent beside. */
  readonly before: number
  pay(account: PrivateKeyAccount, send: typeof fetch): typeof fetch
  /** What else junk may be answered with. */
  readonly again?: readonly number[]
}
const ways: readonly Way[] = [
  { name: 'x402 exact', before: 0, pay: (account, send) => payingFetch(account, ['exact'], send) },
  { name: 'x402 upto', before: 0, pay: (account, send) => payingFetch(account, ['upto'], send) },
  { name: 'a voucher of x402 batch-settlement', before: 1, pay: (account, send) => channelFetch(account, send) },
  // Once it is paid for, who shows the payer's own challenge is given his answer again; nobody else knows it.
  { name: 'evm/charge', before: 0, pay: challengeFetch, again: [200] },
]

/** The same payment, signed by somebody else, in every place where a signature stands. */
function forged(headers: Carried, signature: string): Carried {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const [, prefix = '', encoded = ''] = /^(Payment )?(.*)$/.exec(value) ?? []
      const text = Buffer.from(encoded, 'base64')
        .toString()
        .replaceAll(/"signature":"0x[0-9a-f]+"/g, `"signature":"${signature}"`)
      return [name, prefix + Buffer.from(text).toString(prefix === '' ? 'base64' : 'base64url')]
    }),
  )
}

/** Puts an offer in the place of the one that was taken: whoever asks is given his own. */
async function onOwnOffer(headers: Carried, url: string): Promise<Carried> {
  const value = headers['payment-signature']
  if (value === undefined) return headers
  const asked = await fetch(url + chatWire.path(false), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatWire.body(false, 'how are you?')),
  })
  const { accepts } = JSON.parse(Buffer.from(asked.headers.get('payment-required') ?? '', 'base64').toString()) as PaymentPayload & {
    readonly accepts: readonly PaymentPayload['accepted'][]
  }
  const payload = JSON.parse(Buffer.from(value, 'base64').toString()) as PaymentPayload
  const accepted = accepts.find(({ scheme }) => scheme === payload.accepted.scheme)
  return { 'payment-signature': Buffer.from(JSON.stringify({ ...payload, accepted })).toString('base64') }
}

const PAYMENTS = ['payment-signature', 'authorization']

describe.each(ways)('a payment by $name', ({ before, pay, again = [] }) => {
  it('is taken the first time, whatever is sent under its key by others', async () => {
    const { upstream, world } = await writeKeyedShop(current(), script, { charge: ['networks: ["eip155:84532"]'] })
    const { url } = await openShop(world)
    const account = await createBuyer(current())
    await approvePermits(current().anvil.rpc, current().asset.address, account.address, 1_000_000n)
    const stranger = privateKeyToAccount(randomHex(32))
    const junkStatuses: number[] = []
    let isFlooded = false
    let flood: Promise<unknown> = Promise.resolve()
    const beside: typeof fetch = async (input, init) => {
      const all = new Headers(input instanceof Request ? input.headers : init?.headers)
      const headers = Object.fromEntries([...all].filter(([name]) => PAYMENTS.includes(name)))
      if (!isFlooded || Object.keys(headers).length === 0) return fetch(input, init)
      const junk = await onOwnOffer(forged(headers, await stranger.signMessage({ message: 'junk' })), url)
      let isOver = false
      const send = async () => {
        for (; !isOver; junkStatuses.push((await order(fetch, url, chatWire, { headers: junk })).status));
      }
      flood = Promise.all(Array.from({ length: 8 }, send))
      const answer = await fetch(input, init)
      isOver = true
      return answer
    }
    const paying = pay(account, beside)
    for (let call = 0; call < before; call++) expect((await order(paying, url, chatWire)).status).toBe(200)
    isFlooded = true
    const paid = await order(paying, url, chatWire)
    await flood
    expect([paid.status, upstream.requests.length]).toEqual([200, before + 1])
    expect(junkStatuses.filter((status) => ![402, 409, 422, ...again].includes(status))).toEqual([])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(Array.from({ length: before + 1 }, () => 'settled'))
  })
})
