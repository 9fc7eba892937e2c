/** What a dishonest buyer tries: others' payments read off the chain, copies by the dozen, money that is gone before it is collected. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload, PaymentRequired } from '@x402/core/types'
import { evm, Mppx } from 'mppx/client'
import { assets } from 'mppx/evm'
import { McpClient } from 'mppx/mcp/client'
import type { PrivateKeyAccount } from 'viem/accounts'
import { encodeFunctionData, erc20Abi as erc20, parseSignature } from 'viem'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { canonicalContracts } from '../../contracts-abi/assets.ts'
import { chainIdOf } from '../../src/chain/networks.ts'
import { transact } from '../../src/demo/install-contract.ts'
import { approvePermits, installPermitContracts } from '../../src/demo/permit-contracts.ts'
import type { Atomic } from '../../src/money.ts'
import { eras, type Era } from '../mcp/client.ts'
import { useDemoNetwork } from '../support/chain.ts'
import {
  chatWire,
  createBuyer,
  openShop,
  order,
  payingFetch,
  salesOf,
  signFor,
  startFacilitator,
  wires,
  writeKeyedShop,
  x402ClientOf,
} from '../support/shop.ts'

const current = useDemoNetwork()
beforeAll(() => installPermitContracts(current().anvil.rpc))
const whole = {
  json: {
    ...{ id: 'c', object: 'chat.completion', created: 1, model: 'echo' },
    choices: [{ index: 0, message: { role: 'assistant', content: 'well' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  },
}

const NETWORK = ['networks: ["eip155:84532"]']

type Headed = Record<string, string>
type Credential = { readonly challenge: object; readonly payload: object }
const payloadOf = (headers: Readonly<Record<string, string>>) =>
  JSON.parse(Buffer.from(headers['PAYMENT-SIGNATURE'] ?? '', 'base64').toString()) as PaymentPayload
const credentialOf = ({ authorization = '' }: Readonly<Record<string, string>>) =>
  JSON.parse(Buffer.from(authorization.slice('Payment '.length), 'base64url').toString()) as Credential

async function signChallenge(account: PrivateKeyAccount, url: string): Promise<Record<string, string>> {
  const client = Mppx.create({ polyfill: false, methods: [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })] })
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatWire.body(false, 'how are you?')),
  }
  const payment = await client.preparePayment(await client.rawFetch(url + chatWire.path(false), request), { request })
  const signed = new Headers(payment.setCredential(request, await payment.createCredential()).headers)
  return { authorization: signed.get('authorization') ?? '' }
}

/** Each puts what the chain shows of the victim's payment into words that the thief was given himself. */
const carriages: readonly (readonly [
  name: string,
  sign: (account: PrivateKeyAccount, url: string) => Promise<Record<string, string>>,
  steal: (victim: Record<string, string>, thief: Record<string, string>) => Record<string, string>,
])[] = [
  [
    'x402',
    async (account, url) => (await signFor(account, url, chatWire)).headers,
    (victim, thief) => ({
      'payment-signature': encodePaymentSignatureHeader({ ...payloadOf(thief), payload: payloadOf(victim).payload }),
    }),
  ],
  [
    'evm/charge',
    signChallenge,
    (victim, thief) => {
      const stolen = { ...credentialOf(thief), payload: credentialOf(victim).payload }
      return { authorization: `Payment ${Buffer.from(JSON.stringify(stolen)).toString('base64url')}` }
    },
  ],
]

describe.each(carriages)('a payment by %s', (_name, sign, steal) => {
  it('that was read off the chain fetches nobody an answer, and its payer his own', async () => {
    const { upstream, world } = await writeKeyedShop(current(), whole)
    const { url } = await openShop(world)
    const [payer, thief] = [await createBuyer(current()), await createBuyer(current())]
    // Asked for the same in the same second.
    const [headers, own] = (await Promise.all([payer, thief].map((account) => sign(account, url)))) as [Headed, Headed]
    const paid = await order(fetch, url, chatWire, { headers })
    expect(paid.status).toBe(200)
    const stolen = steal(headers, own)
    const taken = await order(fetch, url, chatWire, { headers: stolen })
    expect([taken.status, taken.text.includes('well'), taken.text.includes('payment_already_used')]).toEqual([422, false, true])
    const again = await order(fetch, url, chatWire, { headers })
    expect([again.status, again.text, upstream.requests.length]).toEqual([200, paid.text, 1])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled'])
  })

  it('buys once, though it be sent fifty times at once, over two wires', async () => {
    const { upstream, world } = await writeKeyedShop(current(), { ...whole, delayMs: 50 })
    const { url } = await openShop(world)
    const headers = await sign(await createBuyer(current()), url)
    const copies = await Promise.all(Array.from({ length: 50 }, (_, at) => order(fetch, url, wires[at % 2] ?? chatWire, { headers })))
    const answers = copies.filter(({ status }) => status === 200)
    expect([new Set(answers.map(({ text }) => text)).size]).toEqual([1])
    expect(copies.filter(({ status }) => ![200, 402, 409, 422].includes(status))).toEqual([])
    expect(upstream.requests).toHaveLength(1)
    const [sale, ...others] = await salesOf(world)
    expect([others, sale]).toMatchObject([[], { state: 'settled' }])
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(sale?.amountSettled)
  })
})

const chunk = (content: string) =>
  `data: ${JSON.stringify({ ...whole.json, object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
const last = `data: ${JSON.stringify({ ...whole.json, object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`

describe('a payer whose money is enough for one payment', () => {
  it('reads one answer, though he signs eight at once', async () => {
    const { upstream, world } = await writeKeyedShop(current(), { stream: [chunk('well'), last] })
    const { url } = await openShop(world)
    const { required } = await signFor(await createBuyer(current()), url, chatWire, { stream: true })
    const buyer = await createBuyer(current(), BigInt(required.accepts[0]?.amount ?? '0'))
    const payments = await Promise.all(Array.from({ length: 8 }, () => signFor(buyer, url, chatWire, { stream: true })))
    const answers = await Promise.all(payments.map(({ headers }) => order(fetch, url, chatWire, { stream: true, headers })))
    const [served, refused] = [true, false].map((isServed) => answers.filter(({ status }) => (status === 200) === isServed))
    expect([served?.length, served?.[0]?.receipt?.success, upstream.requests.length]).toEqual([1, true, 1])
    expect(refused?.map(({ status, headers }) => [status, headers.has('payment-required')])).toEqual(refused?.map(() => [402, true]))
    const [sale, ...others] = await salesOf(world)
    expect([others, sale]).toMatchObject([[], { state: 'settled' }])
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(sale?.amountSettled)
  })

  it('pays again as soon as he has more', async () => {
    const { world } = await writeKeyedShop(current(), whole)
    const { url } = await openShop(world)
    const { required } = await signFor(await createBuyer(current()), url, chatWire)
    const price = BigInt(required.accepts[0]?.amount ?? '0') as Atomic
    const buyer = await createBuyer(current(), price)
    const payments = await Promise.all([1, 2].map(() => signFor(buyer, url, chatWire)))
    const statuses = async () =>
      (await Promise.all(payments.map(({ headers }) => order(fetch, url, chatWire, { headers })))).map(({ status }) => status)
    expect((await statuses()).toSorted()).toEqual([200, 402])
    await current().mint(buyer.address, price)
    expect(await statuses()).toEqual([200, 200])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['settled', 'settled'])
  })
})

/** What a payer sends himself, once he has been judged good and before he is collected from. */
async function sendAs(from: `0x${string}`, to: `0x${string}`, data: `0x${string}`): Promise<void> {
  const { rpc } = current().anvil
  await rpc('anvil_setBalance', [from, '0xde0b6b3a7640000'])
  await rpc('anvil_impersonateAccount', [from])
  await transact(rpc, { from, to, data, gas: '0x100000' })
}
const withdrawals: readonly (readonly [
  what: string,
  scheme: 'exact' | 'upto',
  withdraw: (account: PrivateKeyAccount, payload: Record<string, unknown>) => Promise<void>,
])[] = [
  [
    'moves his money',
    'exact',
    async ({ address }) => {
      const { asset, chain } = current()
      const args = [canonicalContracts.permit2, await chain.balanceOf(asset.address, address)] as const
      await sendAs(address, asset.address, encodeFunctionData({ abi: erc20, functionName: 'transfer', args }))
    },
  ],
  [
    'cancels what he has signed',
    'exact',
    async (account, { authorization }) => {
      const { asset, network } = current()
      const { nonce } = authorization as { readonly nonce: `0x${string}` }
      const domain = { ...asset.domain, chainId: chainIdOf(network), verifyingContract: asset.address }
      const types = {
        CancelAuthorization: [
          { name: 'authorizer', type: 'address' },
          { name: 'nonce', type: 'bytes32' },
        ],
      } as const
      const message = { authorizer: account.address, nonce }
      const signature = await account.signTypedData({ domain, types, primaryType: 'CancelAuthorization', message })
      const { r, s, v = 27n } = parseSignature(signature)
      const args = [account.address, nonce, Number(v), r, s] as const
      await sendAs(account.address, asset.address, encodeFunctionData({ abi: eip3009Abi, functionName: 'cancelAuthorization', args }))
    },
  ],
  ['takes back the leave of Permit2', 'upto', ({ address }) => approvePermits(current().anvil.rpc, current().asset.address, address, 0n)],
]

describe.each(withdrawals)('a payer who %s before it is collected', (_what, scheme, withdraw) => {
  it('has had one answer without its end, and is answered from then on when he has paid', async () => {
    let withdrawing: PrivateKeyAccount | undefined
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      async settle(payload, requirements) {
        if (withdrawing !== undefined) await withdraw(withdrawing, payload.payload)
        return client.settle(payload, requirements)
      },
    }))
    const { upstream, world } = await writeKeyedShop(current(), { stream: [chunk('well'), last] }, { facilitator })
    const { url } = await openShop(world)
    const account = await createBuyer(current())
    await approvePermits(current().anvil.rpc, current().asset.address, account.address, 5_000_000n)
    const pay = (by: 'exact' | 'upto') => order(payingFetch(account, [by]), url, chatWire, { stream: true })
    withdrawing = account
    const first = await pay(scheme)
    expect([first.text.includes('well'), first.text.includes('[DONE]')]).toEqual([true, false])
    expect((await salesOf(world)).map(({ state }) => state)).toEqual(['refused'])
    await current().mint(account.address, 5_000_000n as Atomic)
    await approvePermits(current().anvil.rpc, current().asset.address, account.address, 5_000_000n)
    const second = await pay(scheme)
    expect([second.status, second.text.includes('well'), second.headers.has('payment-required')]).toEqual([402, false, true])
    expect(upstream.requests).toHaveLength(1)
    withdrawing = undefined
    await current().mint(account.address, 5_000_000n as Atomic)
    expect((await pay('upto')).text).toContain('unpaid_before')
    const third = await pay('exact')
    expect([third.status, third.text.includes('[DONE]'), upstream.requests.length]).toEqual([200, true, 2])
    const [sale] = await salesOf(world)
    expect(await current().chain.balanceOf(current().asset.address, world.payTo)).toBe(sale?.amountSettled)
  })
})

/** What a client of MCP is told in the end that has paid by each: the way to pay, in the words of its payment. */
const demand = { httpStatus: 402, challenges: [{ method: 'evm', intent: 'charge' }] }
const refusals = [
  ['x402', () => ({ isError: true, structuredContent: { x402Version: 2, error: 'insufficient_funds' } })],
  [
    'evm/charge',
    (era: Era) =>
      era === '2026-07-28'
        ? { isError: true, _meta: { 'org.paymentauth/payment-required': demand } }
        : { code: -32042, data: { ...demand, problem: { status: 402, title: 'Verification Failed' } } },
  ],
] as const

describe.each(eras)('over MCP on %s', (era) => {
  it.each(refusals)('a payment by %s that cannot be settled brings the way to pay, and no answer', async (by, refusalOf) => {
    const facilitator = await startFacilitator(current(), (client) => ({
      ...client,
      settle: (_payload, { network }) => Promise.resolve({ success: false, errorReason: 'insufficient_funds', transaction: '', network }),
    }))
    const { upstream, world } = await writeKeyedShop(current(), whole, { facilitator, charge: NETWORK })
    const client = new Client(
      { name: 'agent', version: '1' },
      { versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' } },
    )
    await client.connect(new StreamableHTTPClientTransport(new URL(`${(await openShop(world)).url}/mcp`)))
    onTestFinished(() => client.close())
    const told: unknown[] = []
    const { callTool } = client
    client.callTool = async (...call) => {
      const result = callTool.apply(client, call)
      told.push(await result.catch((error: unknown) => error))
      return result
    }
    const account = await createBuyer(current())
    const call = { name: 'complete', arguments: { model: 'demo/echo', prompt: 'how are you?', max_output_tokens: 20 } }
    if (by === 'x402') {
      const required = (await client.callTool(call)).structuredContent as unknown as PaymentRequired
      await client.callTool({ ...call, _meta: { 'x402/payment': await x402ClientOf(account).createPaymentPayload(required) } })
    } else {
      const methods = [evm({ account, currencies: [assets.baseSepolia.USDC], maxAmount: '1' })]
      const payer = McpClient.wrap(client as unknown as Parameters<typeof McpClient.wrap>[0], { methods })
      await payer.callTool(call).catch(() => {})
    }
    expect(told.at(-1)).toMatchObject(refusalOf(era))
    expect(JSON.stringify(told)).not.toContain('well')
    // The payer of MPP signs anew each time that he is asked; nobody is asked for his answer twice.
    const sales = await salesOf(world)
    expect([sales.length > 0, upstream.requests.length]).toEqual([true, 1])
    expect(sales.map(({ state, reason }) => [state, reason])).toEqual(sales.map(() => ['refused', 'insufficient_funds']))
  })
})
