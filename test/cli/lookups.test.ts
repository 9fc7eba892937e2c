/** Commands that look something up: models, route, receipts, reconcile. */
import { describe, expect, it } from 'vitest'
import type { Reconciliation, Routeplane } from '../../src/routeplane.ts'
import { csv } from '../../src/cli/csv.ts'
import { receiptColumns, receiptValue } from '../../src/cli/receipt-columns.ts'
import type { Decision, GatewayCall } from '../../src/gateway/call.ts'
import type { AttemptRow } from '../../src/ledger/entry.ts'
import { parseAtomic, parseUsd } from '../../src/money.ts'
import type { Endpoint, Provider } from '../../src/registry/endpoint.ts'
import type { PriceTier } from '../../src/registry/pricing.ts'
import { channelTerms } from '../ledger/contract-channels.ts'
import { createWorld } from './fake-context.ts'
import { verifies } from '../support/verifies.ts'

function createEndpoint(provider: string, prompt: string | undefined, more: Partial<Endpoint> = {}): Endpoint {
  const owner: Provider = {
    id: provider,
    name: provider,
    baseUrl: 'https://api.test/v1',
    status: 'active',
    kind: 'third_party',
    source: 'config',
    access: { kind: 'none' },
    payment: { modes: ['byok', 'x402'] },
    protocols: [],
    rateLimits: [],
    weight: 1,
  }
  const tier = { fromInputTokens: 0, prompt: prompt === undefined ? undefined : parseUsd(prompt), completion: undefined } as PriceTier
  return {
    provider: owner,
    modelId: 'acme/large',
    upstreamModel: 'large-2',
    name: 'Large',
    protocols: ['chat_completions'],
    pricing: { tiers: [tier] },
    inputModalities: ['text'],
    outputModalities: ['text'],
    features: undefined,
    samplingParameters: undefined,
    isReady: true,
    ...more,
  }
}

describe('models', () => {
  const models = [
    {
      id: 'acme/large',
      name: 'Large',
      endpoints: [createEndpoint('zeta', '0.000003'), createEndpoint('acme', '0.00000125', { contextLength: 128_000 })],
    },
    { id: 'acme/quiet', name: 'Quiet', endpoints: [createEndpoint('acme', undefined, { pricing: undefined, isReady: false })] },
  ]
  const catalog = { models: () => models, model: (id: string) => models.find((model) => model.id === id) }
  const world = createWorld({ routeplane: { catalog } })

  it('lists the lowest known price; unknown is not zero', async () => {
    verifies('listing.price.prompt', 'listing.price.completion')
    const { out } = await world.run('models')
    expect(out).toMatchInlineSnapshot(`
      "MODEL       INPUT $/M  OUTPUT $/M  CONTEXT  PROVIDERS
      acme/large  $1.25      unknown     128000   zeta, acme
      acme/quiet  unknown    unknown     unknown  acme
      "
    `)
    expect((await world.run('models', 'list', '--provider', 'zeta')).out).not.toContain('acme/quiet')
  })

  it('shows every endpoint of one', async () => {
    expect((await world.run('models', 'show', 'acme/large')).out).toMatchInlineSnapshot(`
      "id    acme/large
      name  Large

      ENDPOINT      INPUT $/M  OUTPUT $/M  CONTEXT  SPEAKS            PAID BY     UPTIME      TTFT        TOKENS/S    STATE
      zeta:large-2  $3.00      unknown     unknown  chat_completions  byok, x402  unmeasured  unmeasured  unmeasured  ready
      acme:large-2  $1.25      unknown     128000   chat_completions  byok, x402  unmeasured  unmeasured  unmeasured  ready
      "
    `)
  })

  it('suggests the nearest id', async () => {
    expect(await world.run('models', 'show', 'acme/lagre')).toMatchObject({
      code: 1,
      error: expect.stringContaining('Did you mean acme/large?') as string,
    })
  })

  it('gives machines exact prices per token, and null where nothing is known', async () => {
    const { models: listed } = JSON.parse((await world.run('models', '--format', 'json')).out) as {
      models: { endpoints: { usd_per_token: { prompt: string }[] | null }[] }[]
    }
    expect(listed.map(({ endpoints }) => endpoints.map((endpoint) => endpoint.usd_per_token?.[0]?.prompt ?? null))).toEqual([
      ['0.000003', '0.00000125'],
      [null],
    ])
  })
})

describe('route', () => {
  const decision: Decision = {
    requestId: 'req_1',
    requested: 'acme/large:cost',
    resolved: ['acme/large'],
    capUsd: parseUsd('0.01'),
    candidates: [
      {
        endpoint: 'acme:large-2',
        model: 'acme/large',
        rank: 1,
        score: 0.98765,
        terms: { cost: 1, latency: undefined },
        boundUsd: parseUsd('0.0041'),
      },
    ],
    refused: [{ endpoint: 'zeta:l', model: 'acme/large', reason: 'price_above_cap', detail: 'up to $0.02 against $0.01' }],
    attempts: [{ endpoint: 'acme:large-2', mode: 'x402', boundUsd: parseUsd('0.0041') }],
  }

  it('asks with the caller’s words, cap and length, and sends nothing', async () => {
    const calls: GatewayCall[] = []
    const explain = async (call: GatewayCall) => (calls.push(call), decision)
    const world = createWorld({ routeplane: { explain } })
    const { code, out } = await world.run(
      'route',
      'acme/large:cost',
      '--prompt',
      'ä'.repeat(100),
      '--max-cost',
      '0.01',
      '--max-output-tokens',
      '50',
      '--explain',
    )
    expect(code).toBe(0)
    expect(out).toMatchInlineSnapshot(`
      "request    req_1
      asked for  acme/large:cost
      resolved   acme/large
      cap        $0.01

      TRY  ENDPOINT      PAID BY  EXPECTED  AT MOST
      1    acme:large-2  x402     unknown   $0.0041

      Considered
      RANK  ENDPOINT      SCORE  COST  LATENCY
      1     acme:large-2  0.988  1     unmeasured

      Left out
      ENDPOINT  REASON           DETAIL
      zeta:l    price_above_cap  up to $0.02 against $0.01
      "
    `)
    const [call] = calls
    expect(call?.read).toMatchObject({
      model: 'acme/large:cost',
      extensions: { maxCostUsd: parseUsd('0.01') },
      needs: { maxOutputTokens: 50, images: 0, candidates: 1 },
    })
    expect(call?.read.needs.maxInputTokens).toBeGreaterThanOrEqual(200)
    expect(call?.decode().turns).toEqual([{ role: 'user', parts: [{ type: 'text', text: 'ä'.repeat(100) }] }])
  })

  it('ends with 1 when nothing can serve it', async () => {
    const world = createWorld({ routeplane: { explain: async () => ({ ...decision, candidates: [], attempts: [] }) } })
    const { code, out } = await world.run('route', 'x')
    expect([code, out.includes('See why with --explain')]).toEqual([1, true])
  })

  it('writes amounts for machines as decimal strings, unknown ones as null', async () => {
    const world = createWorld({ routeplane: { explain: async () => decision } })
    expect(JSON.parse((await world.run('route', 'x', '--format', 'json')).out)).toMatchObject({
      cap_usd: '0.01',
      attempts: [{ bound_usd: '0.0041', expected_usd: null }],
    })
  })
})

const settled: AttemptRow = {
  id: 'att_1',
  requestId: 'req_1',
  provider: 'acme',
  model: '=HYPERLINK("http://x")',
  mode: 'x402',
  state: 'settled',
  heldUsd: parseUsd('0.01'),
  owner: 'host:1:1',
  payment: {
    protocol: 'x402-2',
    scheme: 'exact',
    network: 'eip155:84532',
    asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
    decimals: 6,
    payer: '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23',
    payee: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C',
    amountAuthorized: parseAtomic('4100'),
    amountSettled: parseAtomic('4100'),
    settledUsd: parseUsd('0.0041'),
    nonce: `0x${'1'.repeat(64)}`,
    validBeforeSeconds: 1_795_000_000n,
    proof: 'eip3009',
    resource: 'https://acme.test/v1/chat/completions',
    bodyDigest: 'x',
    transaction: `0x${'2'.repeat(64)}`,
    blockNumber: 7n,
    finality: 'confirmed',
  },
  createdAt: Date.UTC(2026, 10, 20, 12),
  updatedAt: Date.UTC(2026, 10, 20, 12, 0, 1),
}
const { payment: _, ...unpaid } = settled
const open: AttemptRow = { ...unpaid, id: 'att_2', state: 'held', model: 'a, "b"' }

const never = async (): Promise<never> => {
  throw new Error('this was not expected to be asked')
}

describe('receipts', () => {
  const view = {
    list: async () => [open, settled],
    get: async (id: string) => [open, settled].find((row) => row.id === id),
    papers: async () => [],
    verify: async (id: string) => ({
      receiptId: id,
      about: 'payment' as const,
      verified: id === 'att_1',
      checks: [{ check: 'amount', ok: id === 'att_1', detail: '4100 of 4100' }],
    }),
    reconcile: never,
    reconcileAll: never,
  }
  const world = createWorld({ routeplane: { receipts: view } })

  it('lists what was paid and what may still be', async () => {
    verifies('card.receipt.readable')
    expect((await world.run('receipts')).out).toMatchInlineSnapshot(`
      "RECEIPT  TIME (UTC)           STATUS     AMOUNT       NETWORK       PROVIDER  MODEL
      att_2    2026-11-20 12:00:00  pending    up to $0.01                acme      a, "b"
      att_1    2026-11-20 12:00:00  confirmed  $0.0041      eip155:84532  acme      =HYPERLINK("http://x")
      "
    `)
    expect((await createWorld().run('receipts')).out).toBe('Nothing has been paid yet.\n')
  })

  it('shows one, with its transaction', async () => {
    verifies('card.receipt.readable')
    const { out } = await world.run('receipts', 'show', 'att_1')
    expect(out).toContain(`transaction        0x${'2'.repeat(64)}`)
    expect(await world.run('receipts', 'show', 'att_9')).toMatchObject({
      code: 1,
      error: expect.stringContaining('there is no receipt') as string,
    })
  })

  it('ends with 1 when the chain says otherwise', async () => {
    verifies('card.receipt.verified')
    expect(await world.run('receipts', 'verify', 'att_1')).toMatchObject({
      code: 0,
      out: expect.stringContaining('is what the chain says') as string,
    })
    expect(await world.run('receipts', 'verify', 'att_2')).toMatchObject({ code: 1, out: expect.stringContaining('DIFFERS') as string })
  })

  it('exports CSV no spreadsheet will run, oldest first', async () => {
    const { out } = await world.run('receipts', 'export')
    const [head, first, second] = out.split('\r\n')
    expect(head?.split(',')).toEqual([...receiptColumns])
    expect(first).toContain(`"'=HYPERLINK(""http://x"")"`)
    expect(second).toContain('"a, ""b"""')
  })

  it('pages through everything, once', async () => {
    const rows = Array.from({ length: 450 }, (__, at) => ({ ...open, id: `att_${String(999 - at)}` }))
    const list = async ({ limit = 1, before }: { limit?: number; before?: string }) =>
      rows.filter(({ id }) => before === undefined || id < before).slice(0, limit)
    const { out } = await createWorld({ routeplane: { receipts: { ...view, list } } }).run('receipts', 'export', '--format', 'json')
    const { receipts } = JSON.parse(out) as { receipts: { id: string }[] }
    expect(receipts.map(({ id }) => id)).toEqual(rows.map(({ id }) => id).toReversed())
  })

  it('keeps amounts exact and unknown ones empty', () => {
    expect(receiptValue(settled)).toMatchObject({ amount_authorized: '4100', settled_usd: '0.0041', block_number: '7', reason: null })
    expect(receiptValue(open)).toMatchObject({ settled_usd: null, amount_settled: null, network: null })
    expect(csv(receiptColumns, [])).toBe(`${receiptColumns.join(',')}\r\n`)
  })
})

function books(reconcileAll: Routeplane['receipts']['reconcileAll']): Routeplane['receipts'] {
  return { list: never, get: never, papers: async () => [], verify: never, reconcile: never, reconcileAll }
}

describe('reconcile', () => {
  const report: Reconciliation = {
    network: 'eip155:84532',
    address: '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23',
    fromBlock: 1n,
    toBlock: 90n,
    ledgerUsd: parseUsd('0.0041'),
    chainUsd: parseUsd('0.0041'),
    resolved: 2,
    differences: [],
  }
  const token = { network: 'eip155:84532', asset: 'USDC', result: report }

  it('passes the blocks on and ends with 0 when both agree', async () => {
    const asked: unknown[] = []
    const world = createWorld({
      routeplane: { receipts: books(async ({ network, fromBlock, toBlock }) => (asked.push(network, fromBlock, toBlock), [token])) },
    })
    const { code, out } = await world.run('reconcile', '--network', 'eip155:84532', '--from-block', '1', '--to-block', '90')
    expect([code, asked]).toEqual([0, ['eip155:84532', 1n, 90n]])
    expect(out).toContain('Ledger and chain agree.')
  })

  it('ends with 1 when they differ, and says where', async () => {
    const differences = [{ kind: 'only_on_chain', transaction: '0xabc', chainUsd: parseUsd('0.002') } as const]
    const world = createWorld({ routeplane: { receipts: books(async () => [{ ...token, result: { ...report, differences } }]) } })
    const { code, out } = await world.run('reconcile')
    expect(code).toBe(1)
    expect(out).toMatch(/only on chain\s+unknown\s+\$0\.002\s+0xabc/)
    expect(JSON.parse((await world.run('reconcile', '--format', 'json')).out)).toMatchObject({
      agrees: false,
      tokens: [{ from_block: '1', differences: [{ kind: 'only_on_chain', ledger_usd: null }] }],
    })
  })

  it('says where deposits are, and ends with 1 when a channel is not as the ledger says', async () => {
    const none = parseAtomic('0')
    const amounts = {
      deposited: parseAtomic('550'),
      depositing: none,
      returned: none,
      charged: parseAtomic('1'),
      signed: parseAtomic('55'),
    }
    const channel = { ...channelTerms, state: 'distrusted' as const, ...amounts, createdAt: 0, updatedAt: 0 }
    const channels = [
      { channel, claimed: parseAtomic('55'), left: parseAtomic('495'), problem: 'its seller has claimed more than was charged' },
    ]
    const world = createWorld({ routeplane: { receipts: books(async () => [{ ...token, channels }]) } })
    const { code, out } = await world.run('reconcile')
    expect(code).toBe(1)
    expect(out).toContain('Some channels are NOT as the ledger says.')
    expect(out).toMatch(/acme +distrusted +\$0\.00055 +\$0\.000055 +\$0\.00 +\$0\.000495 +DIFFERS: its seller/)
    const sound = createWorld({
      routeplane: { receipts: books(async () => [{ ...token, channels: [{ channel, left: parseAtomic('0') }] }]) },
    })
    expect(await sound.run('reconcile')).toMatchObject({ code: 0, out: expect.stringContaining('Of every deposit it is known') as string })
  })

  it('does not call it agreement when one chain of several could not be asked', async () => {
    const silent = { network: 'eip155:4217', asset: 'pathUSD', problem: 'no node answers' }
    const world = createWorld({ routeplane: { receipts: books(async () => [token, silent]) } })
    const { code, out } = await world.run('reconcile')
    expect(code).toBe(1)
    expect(out).toContain('Ledger and chain agree.')
    expect(out).toMatch(/pathUSD[\s\S]+Not compared: no node answers\./)
  })
})
