/** The three tools through the official client, on both revisions of the protocol. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Connected, connectClient, eras } from './client.ts'
import { verifies } from '../support/verifies.ts'

describe.each(eras)('on %s', (era) => {
  const running: { connection?: Connected } = {}
  beforeAll(async () => {
    running.connection = await connectClient(era)
  })
  afterAll(() => running.connection?.close())

  const client = () => (running.connection as Connected).client
  const use = async (name: string, input: Record<string, unknown>) => {
    const { content, structuredContent, isError } = await client().callTool({ name, arguments: input })
    const [first] = content as [{ readonly type: string; readonly text: string }]
    expect(JSON.parse(first.text), 'the text is the structure').toEqual(structuredContent)
    return { value: structuredContent as Record<string, unknown>, isError: isError === true }
  }
  const complete = async (input: Record<string, unknown>) => (await use('complete', input)).value
  const heard = async (input: Record<string, unknown>) => JSON.parse(String((await complete(input)).text)) as Record<string, unknown>

  it('announces three tools in plain schemas, with every hint said', async () => {
    const { tools } = await client().listTools()
    expect(tools.map(({ name, title, annotations }) => ({ name, title, ...annotations }))).toEqual([
      { name: 'list_models', title: 'List models', readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      {
        name: 'complete',
        title: 'Complete with a model',
        readOnlyHint: false,
        destructiveHint: true,
        idempotentHint: false,
        openWorldHint: true,
      },
      {
        name: 'set_preset',
        title: 'Set a preset',
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false,
      },
    ])
    for (const { inputSchema, outputSchema } of tools) {
      for (const schema of [inputSchema, outputSchema]) {
        expect(schema).toMatchObject({ type: 'object' })
        expect(JSON.stringify(schema)).not.toMatch(/"(\$ref|\$defs|anyOf|oneOf|allOf|not|if|const|propertyNames)"/)
      }
    }
    expect(client().getServerVersion()).toMatchObject({ name: 'routeplane', title: 'Routeplane', version: '1.2.3' })
    expect(client().getInstructions()).toContain('dry_run')
  })

  describe('list_models', () => {
    it('gives exact prices, and leaves unknown ones out', async () => {
      verifies('card.mcp.list_models')
      const { value } = await use('list_models', {})
      expect(value).toMatchObject({
        total: 3,
        models: [
          {
            id: 'acme/a',
            name: 'ACME/A',
            prompt_usd_per_token: '0.000001',
            uptime: 0.99,
            providers: ['byok-shop'],
            payment_modes: ['byok'],
          },
          { id: 'acme/b', completion_usd_per_token: '0.000002', features: ['tools'] },
          { id: 'other/c' },
        ],
      })
      const [, , last] = value.models as Record<string, unknown>[]
      expect(last).not.toHaveProperty('prompt_usd_per_token')
      expect(last).not.toHaveProperty('uptime')
    })

    it.each([
      [{ query: 'acme B' }, ['acme/b']],
      [{ query: 'nothing' }, []],
      [{ max_price: '0.0000015' }, ['acme/a']],
      [{ max_price: '0' }, []],
      [{ feature: 'tools' }, ['acme/b', 'other/c']],
      [{ payment_mode: 'byok' }, ['acme/a']],
    ])('filters by %o', async (filter, ids) => {
      const { value } = await use('list_models', filter)
      expect((value.models as { readonly id: string }[]).map(({ id }) => id)).toEqual(ids)
    })

    it('pages without gap or repetition', async () => {
      const ids: string[] = []
      let cursor: string | undefined
      do {
        const { value } = await use('list_models', { limit: 1, ...(cursor === undefined ? {} : { cursor }) })
        ids.push(...(value.models as { readonly id: string }[]).map(({ id }) => id))
        cursor = value.next_cursor as string | undefined
      } while (cursor !== undefined)
      expect(ids).toEqual(['acme/a', 'acme/b', 'other/c'])
    })

    it.each([
      { max_price: '1e-6' },
      { max_price: '-1' },
      { cursor: '%%%' },
      { limit: 0 },
      { limit: 1.5 },
      { feature: 'telepathy' },
      { quary: 'x' },
    ])('refuses %o', async (filter) => {
      expect(await use('list_models', filter)).toMatchObject({ isError: true, value: { code: 'invalid_request', money: 'untouched' } })
    })
  })

  describe('complete', () => {
    it('says who answered, what it cost, and what is left', async () => {
      verifies('card.mcp.complete')
      const value = await complete({ model: 'acme/a', prompt: 'hi' })
      expect(value).toMatchObject({
        provider: 'acme',
        model: 'acme/a',
        model_served: 'one-2026',
        finish_reason: 'stop',
        usage: { input_tokens: 7, output_tokens: 2, origin: 'provider' },
        quoted_usd: '0.0005',
        cost_usd: '0.0003',
        paid_usd: '0.0004',
        payment_mode: 'x402',
        payment_status: 'settled',
        receipt_id: 'att_1',
        transaction: '0xabc',
        attempts: 1,
        warnings: ['retires soon', 'not carried over to this provider: seed: left out'],
        caps_left: [{ scope: 'request' }, { scope: 'all', window: 'day', cap_usd: '5', available_usd: '4.75' }],
      })
      expect(value.request_id).toMatch(/^req_/)
      expect(value).not.toHaveProperty('refusal')
    })

    it('hands on the conversation, the limits and the wishes', async () => {
      const messages = [
        { role: 'user', content: 'é' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
      ]
      const input = {
        model: 'acme/a',
        messages,
        system: 'be brief',
        max_output_tokens: 9,
        max_cost_usd: '0.05',
        payment: ['x402', 'byok'],
        idempotency_key: 'k1',
      }
      expect(await heard(input)).toMatchObject({
        model: 'acme/a',
        turns: [
          ['user', [{ type: 'text', text: 'é' }]],
          ['assistant', [{ type: 'text', text: 'b' }]],
          ['user', [{ type: 'text', text: 'c' }]],
        ],
        system: [{ text: 'be brief', role: 'system' }],
        needs: { maxOutputTokens: 9, samplingParameters: ['max_tokens'], stream: true },
        extensions: { maxCostUsd: '50000000000000000', paymentPrefer: ['x402', 'byok'], idempotencyKey: 'k1' },
      })
    })

    it('bounds the input by its bytes, so that no tokenizer can count more', async () => {
      const prompt = '\u{1f600}'.repeat(50)
      const { needs } = (await heard({ model: 'acme/a', prompt })) as { readonly needs: { readonly maxInputTokens: number } }
      expect(needs.maxInputTokens).toBeGreaterThan(Buffer.byteLength(prompt))
    })

    it.each([
      ['0.01', '10000000000000000'],
      [0.01, '10000000000000000'],
      [1, '1000000000000000000'],
      [1e-6, '1000000000000'],
      [0, '0'],
    ])('takes the cap %o', async (cap, atto) => {
      expect(await heard({ model: 'acme/a', prompt: 'x', max_cost_usd: cap })).toMatchObject({ extensions: { maxCostUsd: atto } })
    })

    it.each(['-1', ' ', '', '1e3', '0x10', 'Infinity', '0.0000001', -0.5, 1e21, 1e-9, '1,5', ' 7 '])('refuses the cap %o', async (cap) => {
      expect(await use('complete', { model: 'acme/a', prompt: 'x', max_cost_usd: cap })).toMatchObject({
        isError: true,
        value: { code: 'invalid_max_cost' },
      })
    })

    it.each([
      {},
      { model: 'acme/a' },
      { model: 'acme/a', prompt: '' },
      { model: 'acme/a', prompt: 'x', messages: [{ role: 'user', content: 'y' }] },
      { model: 'acme/a', messages: [] },
      { model: 'acme/a', messages: [{ role: 'root', content: 'y' }] },
      { model: 5, prompt: 'x' },
      { model: 'acme/a', prompt: 'x', max_output_tokens: -1 },
      { model: 'acme/a', prompt: 'x', payment: ['cash'] },
      { model: 'acme/a', prompt: 'x', maxCostUsd: '1' },
      { model: 'acme/a', prompt: 'a'.repeat(1_000_001) },
      { model: 'acme/a', prompt: 'a'.repeat(600_000), system: 'b'.repeat(600_000) },
    ])('refuses arguments %#', async (input) => {
      expect(await use('complete', input)).toMatchObject({
        isError: true,
        value: { code: 'invalid_request', money: 'untouched', retryable: false },
      })
    })

    it.each(['', 'a b', 'é', 'x'.repeat(256)])('refuses the idempotency key "%s"', async (key) => {
      expect(await complete({ model: 'acme/a', prompt: 'x', idempotency_key: key })).toMatchObject({ code: 'invalid_idempotency_key' })
    })

    it('shows the plan of a dry run and answers nothing', async () => {
      expect(await complete({ model: 'acme/crash', prompt: 'x', dry_run: true })).toMatchObject({
        dry_run: true,
        cap_usd: '0.5',
        quoted_usd: '0.002',
        resolved: ['acme/crash'],
        plan: [
          {
            endpoint: 'acme:a',
            payment_mode: 'x402',
            bound_usd: '0.002',
            warnings: ['retires soon', 'not carried over to this provider: seed: left out'],
          },
        ],
        refused: [{ endpoint: 'x:y', reason: 'payment', detail: 'no key' }],
      })
    })

    it('tells a refusal with its hint, and what happened to the money', async () => {
      expect(await use('complete', { model: 'acme/refused', prompt: 'x' })).toEqual({
        isError: true,
        value: {
          code: 'budget_exceeded',
          message: 'the day is spent',
          hint: 'Ask the operator.',
          money: 'untouched',
          retryable: false,
          details: { cap: '5000000000000000000' },
        },
      })
      expect(await complete({ model: 'acme/unknown', prompt: 'x' })).toMatchObject({ money: 'unknown', retryable: false })
      expect(await complete({ model: 'acme/elder', prompt: 'x' })).toMatchObject({ code: 'store_unavailable', retryable: false })
    })

    it('gives what had come of an answer that broke off', async () => {
      expect(await use('complete', { model: 'acme/broken', prompt: 'x' })).toMatchObject({
        isError: true,
        value: { code: 'stream_incomplete', money: 'settled', retryable: false, partial_text: 'half an ' },
      })
    })

    it('hides what an unexpected throw says', async () => {
      const value = await complete({ model: 'acme/crash', prompt: 'x' })
      expect(value).toMatchObject({ code: 'internal' })
      expect(JSON.stringify(value)).not.toContain('secret')
    })

    it('reports progress in growing numbers, and is cancelled with the call', async () => {
      const stop = new AbortController()
      const seen: { readonly progress: number; readonly message?: string | undefined }[] = []
      const { stderr } = running.connection as Connected
      const cancelled = client().callTool(
        { name: 'complete', arguments: { model: 'acme/hang', prompt: 'x' } },
        { signal: stop.signal, onprogress: (progress) => seen.push(progress) },
      )
      const rejection = expect(cancelled).rejects.toThrow()
      await until(() => seen.length === 4)
      expect(seen).toMatchObject([
        { progress: 1, message: 'attempt 1: acme/hang at acme, paid by x402' },
        { progress: 2, message: 'held up to $0.01 of the budget' },
        { progress: 3, message: 'signed a payment of $0.0005 to 0x02' },
        { progress: 4, message: '16 characters of the answer' },
      ])
      expect(stderr()).not.toContain('payment recorded')
      stop.abort('enough')
      await rejection
      await until(() => stderr().includes('payment recorded'))
    })
  })

  describe('set_preset', () => {
    it('creates, activates for this connection, changes and deactivates', async () => {
      verifies('card.mcp.set_preset')
      expect((await use('set_preset', { name: 'fast', models: ['acme/a:latency', 'acme/b'], activate: true })).value).toEqual({
        name: 'fast',
        created: true,
        active: true,
        persisted: false,
        models: ['acme/a:latency', 'acme/b'],
      })
      expect(await heard({ prompt: 'x' })).toMatchObject({ model: '@fast', extensions: {} })
      expect(await heard({ model: 'acme/b', prompt: 'x' })).toMatchObject({ model: 'acme/b', extensions: { preset: 'fast' } })
      expect(await heard({ model: '@other', prompt: 'x' })).toMatchObject({ model: '@other', extensions: {} })
      const changed = await use('set_preset', { name: 'fast', max_cost_usd: 0.02, activate: false })
      expect(changed.value).toMatchObject({ created: false, active: false, models: ['acme/a:latency', 'acme/b'], max_cost_usd: '0.02' })
      expect(await complete({ prompt: 'x' })).toMatchObject({ code: 'invalid_request', message: 'model is missing' })
    })

    it.each([
      [{ name: 'x', model: 'acme/a', max_cost_usd: '1000000' }, 'invalid_max_cost'],
      [{ name: 'operator', max_cost_usd: '0.02' }, 'invalid_max_cost'],
      [{ name: 'x', models: ['@x'] }, 'invalid_request'],
      [{ name: 'x', model: '@preset/x' }, 'invalid_request'],
      [{ name: '../x', model: 'acme/a' }, 'invalid_request'],
      [{ name: 'x', params: { model: 'acme/b' } }, 'invalid_request'],
      [{ name: 'x', params: { stream: true } }, 'invalid_request'],
      [{ name: 'x', params: { blob: 'a'.repeat(20_000) } }, 'invalid_request'],
      [{ name: 'x', routing: { network: 'mainnet' } }, 'invalid_request'],
      [{ name: 'x', private_key: '0x1' }, 'invalid_request'],
      [{ name: 'x', params: { routeplane: { max_cost_usd: '9' } } }, 'invalid_request'],
      [{ name: 'x', clamp_to_budget: 'yes' }, 'invalid_request'],
      [{ name: 'x', budget: { per_day_usd: '9' } }, 'invalid_request'],
      [{ name: 'nobody', activate: true }, 'unknown_preset'],
    ])('refuses preset %#', async (preset, code) => {
      expect(await use('set_preset', preset)).toMatchObject({ isError: true, value: { code } })
    })

    it('may lower what the operator has set', async () => {
      expect(await use('set_preset', { name: 'operator', max_cost_usd: '0.005' })).toMatchObject({
        isError: false,
        value: { max_cost_usd: '0.005', model: 'acme/a' },
      })
    })
  })

  it('answers nothing but the protocol on stdout, whatever prints', async () => {
    await complete({ model: 'acme/a', prompt: 'x' })
    const { errors, stderr } = running.connection as Connected
    expect(errors).toEqual([])
    for (const line of ['while it loads', 'while it works', 'not even through the console']) expect(stderr()).toContain(line)
  })
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}
