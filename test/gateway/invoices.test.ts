/** Calls that are invoiced: each leaves exactly the debt it should, and invoices add up to the ledger. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatOwner } from '../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { addUsd, formatUsd, parseUsd, ZERO_USD } from '../../src/money.ts'
import { chatCompletions } from '../../src/protocol/chat-completions/index.ts'
import { chunk, commandLine, ending, open, said, source } from '../promises/world.ts'
import { ask } from '../support/engine.ts'
import { readLedger } from '../support/read-ledger.ts'
import type { Script } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'

const question = { model: 'demo/one', messages: [{ role: 'user', content: 'hello' }], max_tokens: 20 }
/** Costs up to six hundredths of a cent. */
const dear = { ...question, max_tokens: 1_000 }
const models = [{ id: 'demo/one', pricing: { prompt: '0.00000015', completion: '0.0000006' } }]
/** 10 tokens in and 5 out. */
const cost = parseUsd('0.0000045')
const month = new Date().toISOString().slice(0, 7)

async function openBilled(script: Script, config: Readonly<Record<string, unknown>> = {}) {
  const upstream = await source(script)
  const world = await open({
    config: {
      providers: {
        billed: {
          api_base: `${upstream.url}/v1`,
          models,
          payment: { modes: ['invoice'], invoice: { terms_days: 14, email: 'billing@example.com', account_header: 'X-Customer' } },
        },
      },
      payment: { accounts: { billed: 'acct-4711' } },
      ledger: { path: './ledger.db' },
      ...config,
    },
  })
  return { ...world, upstream }
}

type World = Awaited<ReturnType<typeof openBilled>>

function rowsOf({ directory }: Pick<World, 'directory'>) {
  return readLedger({ ledgerPath: join(directory, 'ledger.db') }, async ({ attempts, verifyEvents }) => {
    expect(await verifyEvents()).toEqual({ ok: true })
    return attempts.list({})
  })
}

/** The books once nothing is open any more. */
async function settled(world: Pick<World, 'directory'>) {
  for (let tries = 0; tries < 100; tries++) {
    const rows = await rowsOf(world)
    if (rows.every(({ state }) => state === 'owed' || state === 'released')) return rows
    await systemClock.sleep(20)
  }
  throw new Error('an attempt stays open')
}

describe('an invoiced call', () => {
  it('is sent with our account, and owes what its usage costs', async () => {
    const world = await openBilled(said('hi'))
    const reply = await ask(world.url, question)
    expect([reply.status, reply.headers.get('x-routeplane-payment-mode')]).toEqual([200, 'invoice'])
    expect(world.upstream.requests[0]?.headers['x-customer']).toBe('acct-4711')
    const [row, ...more] = await settled(world)
    expect(row).toMatchObject({ state: 'owed', mode: 'invoice', owedUsd: cost, caller: 'local' })
    expect(row?.reason).toBeUndefined()
    expect(more).toEqual([])
    expect(reply.headers.get('x-routeplane-receipt')).toBe(row?.id)
    expect(world.logged.join('\n')).not.toContain('acct-4711')
    // A debt is no payment that differs from the chain.
    const verified = await commandLine().run('receipts', 'verify', row?.id ?? '', '-c', world.file)
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining('is a debt') as string })
    expect(verified.out).toContain(`${formatUsd(cost)} owed to billed for ${month}`)
  })

  const cases: readonly (readonly [string, Script, 'owed' | 'released', 'usage' | 'bound' | undefined])[] = [
    ['streamed', { stream: [chunk('hi'), ending] }, 'owed', 'usage'],
    ['without usage', said('hi', { usage: undefined }), 'owed', 'bound'],
    [
      'with more usage than it can have',
      said('hi', { usage: { prompt_tokens: 10, completion_tokens: 5_000_000, total_tokens: 5_000_010 } }),
      'owed',
      'bound',
    ],
    ['cut off after its first words', { stream: [chunk('hi'), 'cut'] }, 'owed', 'bound'],
    ['refused', { status: 500, json: { error: { message: 'no', type: 'x', code: 'x' } } }, 'released', undefined],
    ['hung up on', { hangUp: true }, 'released', undefined],
  ]
  it.each(cases)('%s', async (_, script, state, basis) => {
    const world = await openBilled(script)
    const stream = typeof script === 'object' && 'stream' in script
    await ask(world.url, { ...question, stream }).catch(() => undefined)
    const rows = await settled(world)
    expect(rows.map((row) => row.state)).toEqual([state])
    const [row] = rows
    if (basis === 'usage') expect([row?.owedUsd, row?.reason]).toEqual([cost, undefined])
    if (basis === 'bound') expect([row?.owedUsd, row?.reason?.slice(0, 10)]).toEqual([row?.heldUsd, 'the bound:'])
    if (basis === 'bound') expect(row?.heldUsd).toBeGreaterThan(cost)
  })

  it('counts against caps like any payment, and without an account it is not tried', async () => {
    const world = await openBilled(said('hi'), { budget: { per_day_usd: '0.00006' } })
    const replies = [await ask(world.url, question), await ask(world.url, question)]
    for (let more = await ask(world.url, question); more.status === 200; more = await ask(world.url, question)) replies.push(more)
    const last = await ask(world.url, question)
    expect([last.status, last.error?.code]).toEqual([403, 'budget_exceeded'])
    const owed = addUsd(...(await settled(world)).map(({ owedUsd = ZERO_USD }) => owedUsd))
    expect(owed).toBe(cost * BigInt(replies.length))
    expect(owed <= parseUsd('0.00006')).toBe(true)

    const without = await openBilled(said('hi'), { payment: {} })
    expect((await ask(without.url, question)).error?.message).toContain('set payment.accounts.billed')
  })

  it('of a process that died in the middle is owed at its bound', async () => {
    const world = await openBilled(said('hi'))
    const dead = formatOwner({ host: 'elsewhere', pid: 1, startMs: 1 })
    const ledger = await openSqliteLedger({ path: join(world.directory, 'ledger.db'), owner: dead, clock: systemClock, log: silentLog })
    const now = systemClock.now()
    const amount = parseUsd('0.01')
    await ledger.attempts.hold({
      id: 'pay_dead',
      requestId: 'req_dead',
      provider: 'billed',
      model: 'demo/one',
      mode: 'invoice',
      amount,
      requestCap: amount,
      budgets: [],
      now,
    })
    await ledger.close()
    await world.close()
    const heir = await open({ config: { ledger: { path: join(world.directory, 'ledger.db') } } })
    await settled({ directory: world.directory })
    expect(await heir.routeplane.invoices.list()).toEqual([{ provider: 'billed', month, debts: 1, totalUsd: amount }])
    const statement = await heir.routeplane.invoices.statement('billed', month)
    expect(statement?.lines[0]?.bound).toContain('its process ended')
  })
})

describe('routeplane invoices', () => {
  it('lists, shows, exports and closes what the ledger has, to the unit', async () => {
    verifies('register.pay.invoice')
    const world = await openBilled((_, count) => (count === 2 ? said('hi', { usage: undefined }) : said('hi')))
    for (let calls = 0; calls < 4; calls++) expect((await ask(world.url, question)).status).toBe(200)
    const rows = await settled(world)
    // What is known of requests is written behind: whoever closes has written it.
    await world.close()
    const total = addUsd(...rows.map(({ owedUsd = ZERO_USD }) => owedUsd))
    const { run } = commandLine()
    const invoices = async (...args: readonly string[]) => run('invoices', ...args, '-c', world.file)

    expect((await invoices('list')).out).toMatch(/billed +\d{4}-\d\d +open +4 /)
    const shown = JSON.parse((await invoices('show', 'billed', month, '--format', 'json')).out) as {
      total_usd: string
      lines: { amount_usd: string; input_tokens: string | null; basis: string }[]
    }
    expect(shown.total_usd).toBe(formatUsd(total))
    expect(formatUsd(addUsd(...shown.lines.map((line) => parseUsd(line.amount_usd))))).toBe(formatUsd(total))
    expect(shown.lines.map(({ basis }) => basis.slice(0, 9)).toSorted()).toEqual(['the bound', 'usage', 'usage', 'usage'])
    expect(shown.lines.filter(({ input_tokens }) => input_tokens === '10')).toHaveLength(3)

    const exported = (await invoices('export', 'billed', month)).out.trimEnd().split('\r\n')
    expect(exported).toHaveLength(5)
    const amounts = exported.slice(1).map((line) => parseUsd(line.split(',')[7] ?? ''))
    expect(addUsd(...amounts)).toBe(total)
    const page = (await invoices('export', 'billed', month, '--format', 'html')).out
    expect(page).toContain(`<td class="number">${formatUsd(total)}</td>`)

    const closing = await invoices('close', 'billed', month)
    expect(closing.code).toBe(0)
    expect((await invoices('close', 'billed', month)).out).toBe(closing.out)
    expect((await invoices('list')).out).toContain('closed (1)')
    expect(await invoices('show', 'nobody', month)).toMatchObject({ code: 1 })
    expect(await invoices('close', 'billed', '2026-13')).toMatchObject({ code: 2 })
  })

  it('writes nothing of a provider as markup', async () => {
    const name = '<img src=x onerror=alert(1)>'
    const upstream = await source(said('hi'))
    const billed = { name, api_base: `${upstream.url}/v1`, models, payment: { modes: ['invoice'] } }
    const world = await open({ config: { providers: { billed }, payment: { accounts: { billed: 'a' } }, ledger: { path: './ledger.db' } } })
    await ask(world.url, question)
    await settled(world)
    const { out } = await commandLine().run('invoices', 'export', 'billed', month, '--format', 'html', '-c', world.file)
    expect(out).toContain('&lt;img src=x onerror=alert(1)&gt;')
    expect(out).not.toContain('<img')
  })
})

describe('approvals', () => {
  it('hold a call above the threshold until the operator has said yes, once', async () => {
    const world = await openBilled(said('hi'), { budget: { approve_above_usd: '0.0001' } })
    const { run } = commandLine()
    const approvals = async (...args: readonly string[]) => run('approvals', ...args, '-c', world.file)
    const small = await ask(world.url, question)
    expect(small.status).toBe(200)
    const first = await ask(world.url, dear)
    expect([first.status, first.error?.code, first.error?.money]).toEqual([403, 'approval_required', 'untouched'])
    const id = /apr_[0-9a-z]+/.exec(first.text)?.[0] ?? ''
    expect(first.error?.message).toContain(`routeplane approvals allow ${id}`)
    expect((await ask(world.url, dear)).text).toContain(id)
    expect((await approvals()).out).toContain(id)
    expect((await approvals('allow', id)).out).toContain('demo/one for local')
    expect((await ask(world.url, dear)).status).toBe(200)
    expect((await ask(world.url, dear)).error?.code).toBe('approval_required')
    expect(world.upstream.requests).toHaveLength(2)

    const [next = ''] = /apr_[0-9a-z]+/.exec((await ask(world.url, dear)).text) ?? []
    expect((await approvals('deny', next)).code).toBe(0)
    expect((await ask(world.url, dear)).error?.code).toBe('approval_denied')
    expect(await approvals('allow', id)).toMatchObject({ code: 1 })
  })

  it('ask whoever the call can ask, and send nothing without a yes', async () => {
    const world = await openBilled(said('hi'), { budget: { approve_above_usd: '0.0001' } })
    for (const answer of ['no', 'later', 'yes'] as const) {
      const before = world.upstream.requests.length
      const outcome = await world.routeplane
        .complete({
          ...{ id: `req_${answer}`, caller: 'local', signal: new AbortController().signal },
          ...callOf(),
          approve: async (asked) => {
            expect(asked).toMatchObject({ model: 'demo/one', provider: 'billed', mode: 'invoice' })
            expect(asked.amountUsd > asked.thresholdUsd).toBe(true)
            return answer
          },
        })
        .then(
          (completion) => completion.head.mode,
          (error: { code: string }) => error.code,
        )
      expect([answer, outcome, world.upstream.requests.length - before]).toEqual([
        answer,
        { no: 'approval_denied', later: 'approval_required', yes: 'invoice' }[answer],
        answer === 'yes' ? 1 : 0,
      ])
    }
    expect(await world.routeplane.approvals.list()).toEqual([])
  })
})

function callOf() {
  const wire = {
    body: Buffer.from(JSON.stringify(dear)),
    json: dear,
    path: '/v1/chat/completions',
    query: new URLSearchParams(),
    headers: {},
  }
  return {
    read: chatCompletions.caller.read(wire),
    wire: { protocol: chatCompletions.id, request: wire },
    decode: () => chatCompletions.caller.decodeRequest(wire),
  }
}
