/** The reading routes: models with prices, receipts with their proof, health and status. */
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { HttpServer } from '../../src/http/serve.ts'
import { type Atomic, parseUsd } from '../../src/money.ts'
import type { ReceiptView } from '../../src/routeplane.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { LISTING, TOKEN, codeOf, scripted, serve } from './support.ts'
import { verifies } from '../support/verifies.ts'

type Receipt = NonNullable<Awaited<ReturnType<ReceiptView['get']>>>

const receipt = (id: string): Receipt => ({
  id,
  requestId: 'req_1',
  provider: 'acme',
  model: 'acme/one',
  mode: 'x402',
  state: 'settled',
  heldUsd: parseUsd('0.01'),
  owner: 'p1',
  payment: {
    protocol: 'x402-2',
    scheme: 'exact',
    network: 'eip155:84532',
    asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
    decimals: 6,
    payer: '0x01',
    payee: '0x02',
    amountAuthorized: 10_000n as Atomic,
    amountSettled: 9_007_199_254_740_993n as Atomic,
    settledUsd: parseUsd('0.009'),
    nonce: '0x03',
    validBeforeSeconds: 1_800_000_000n,
    proof: 'eip3009',
    resource: 'https://acme.test/chat/completions',
    bodyDigest: 'sha-256:x',
    blockNumber: 7n,
  },
  createdAt: 0,
  updatedAt: 1_000,
})

const ALL = ['att_3', 'att_2', 'att_1'].map(receipt)
const receipts: ReceiptView = {
  list: async ({ limit = 50, before, requestId }) =>
    ALL.filter((row) => (before === undefined || row.id < before) && (requestId === undefined || row.requestId === requestId)).slice(
      0,
      limit,
    ),
  get: async (id) => ALL.find((row) => row.id === id),
  papers: async () => [],
  verify: async (id) => ({
    receiptId: id,
    about: 'payment',
    verified: false,
    checks: [{ check: 'transfer', ok: false, detail: 'not on the chain' }],
  }),
  reconcile: () => Promise.reject(new RouteplaneError('internal', 'not here')),
  reconcileAll: () => Promise.reject(new RouteplaneError('internal', 'not here')),
}

const running: { server?: HttpServer } = {}
beforeAll(async () => {
  const complete = () => Promise.reject(new RouteplaneError('internal', 'not here'))
  running.server = await serve(scripted(complete, { receipts }))
})
afterAll(() => running.server?.close())

async function get(path: string): Promise<readonly [number, unknown]> {
  const answer = await fetch(`${running.server?.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } })
  const text = await answer.text()
  return [answer.status, answer.ok ? JSON.parse(text) : codeOf(text)]
}

it('lists models with the prices of the cheapest endpoint, as strings', async () => {
  const [status, body] = await get('/v1/models')
  expect([status, body]).toMatchObject([
    200,
    {
      object: 'list',
      data: [
        {
          id: 'acme/one',
          object: 'model',
          owned_by: 'acme',
          context_length: 128_000,
          pricing: { prompt: '0.0000001', completion: '0.0000004' },
          endpoints: 2,
          payment_modes: ['byok', 'x402'],
          supported_features: ['tools'],
        },
      ],
    },
  ])
  expect(await get('/models')).toEqual([status, body])
})

it('leaves out a price that nobody states, instead of calling it zero', async () => {
  const [first] = LISTING.endpoints
  const unpriced = { ...LISTING, endpoints: [{ ...first, pricing: undefined }] } as typeof LISTING
  const server = await serve(scripted(() => Promise.reject(new Error()), { catalog: { models: () => [unpriced], model: () => unpriced } }))
  const answer = await fetch(`${server.url}/v1/models`, { headers: { 'x-api-key': TOKEN } })
  expect(await answer.text()).not.toContain('pricing')
  await server.close()
})

it('shows one model to an SDK that encodes the slash, with a row for each provider', async () => {
  const client = new OpenAI({ baseURL: `${running.server?.url}/v1`, apiKey: TOKEN })
  expect(await client.models.retrieve('acme/one')).toMatchObject({
    id: 'acme/one',
    providers: [
      { id: 'dear', pricing: [{ prompt: '0.000003' }] },
      { id: 'cheap', model: 'one-cheap', context_length: 128_000 },
    ],
  })
  expect(await get('/v1/models/acme/one')).toMatchObject([200, { id: 'acme/one' }])
  expect(await get('/v1/models/acme/none')).toEqual([404, 'model_not_found'])
  const ids = []
  for await (const model of client.models.list()) ids.push(model.id)
  expect(ids).toEqual(['acme/one'])
})

it('pages through receipts, newest first', async () => {
  verifies('card.receipt.readable')
  expect(await get('/v1/receipts?limit=2')).toMatchObject([
    200,
    { data: [{ id: 'att_3' }, { id: 'att_2' }], has_more: true, last_id: 'att_2' },
  ])
  expect(await get('/v1/receipts?limit=2&before=att_2')).toMatchObject([200, { data: [{ id: 'att_1' }], has_more: false }])
  expect(await get('/v1/receipts?request_id=req_other')).toMatchObject([200, { data: [], has_more: false }])
  for (const query of ['limit=0', 'limit=201', 'limit=1e2', 'limit=-1', 'before=../x', 'request_id=%27']) {
    expect(await get(`/v1/receipts?${query}`)).toEqual([400, 'invalid_request'])
  }
})

it('shows a receipt with exact amounts, and checks it against the chain when asked', async () => {
  verifies('card.receipt.readable')
  const [status, body] = await get('/v1/receipts/att_2')
  expect([status, body]).toMatchObject([
    200,
    {
      id: 'att_2',
      held_usd: '0.01',
      payment: { amount_authorized: '10000', amount_settled: '9007199254740993', settled_usd: '0.009', block_number: '7' },
    },
  ])
  expect(body).not.toHaveProperty('verification')
  expect(await get('/v1/receipts/att_2?verify=1')).toMatchObject([
    200,
    { verification: { verified: false, checks: [{ check: 'transfer' }] } },
  ])
  for (const id of ['att_9', '..', 'a%20b', 'A', 'x'.repeat(65)]) expect((await get(`/v1/receipts/${id}`))[0]).toBeGreaterThanOrEqual(400)
  expect(await get('/v1/receipts/att_9')).toEqual([404, 'receipt_not_found'])
})

it('says that it is alive, and to those with the token how it stands', async () => {
  expect(await get('/health')).toEqual([200, { status: 'ok', version: '1.2.3' }])
  expect(await get('/v1/status')).toMatchObject([
    200,
    { network: 'eip155:84532', caps: [{ scope: 'all', cap_usd: '5', available_usd: '0.000000000000000001' }] },
  ])
})

it('turns a failing store into an answer that invites another try', async () => {
  const list = () => Promise.reject(new RouteplaneError('store_unavailable', 'the ledger cannot be read'))
  const server = await serve(scripted(() => Promise.reject(new Error()), { receipts: { ...receipts, list } }))
  const answer = await fetch(`${server.url}/v1/receipts`, { headers: { 'x-api-key': TOKEN } })
  expect([answer.status, codeOf(await answer.text()), answer.headers.has('x-should-retry')]).toEqual([503, 'store_unavailable', false])
  await server.close()
})
