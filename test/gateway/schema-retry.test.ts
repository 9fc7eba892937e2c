/** An answer that breaks its schema is asked for once more only where that is wanted, and only within the request's cap. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CompletionPart } from '../../src/completion/part.ts'
import { RouteplaneError } from '../../src/errors.ts'
import { protocols } from '../../src/protocol/index.ts'
import { startGateway, type PlayedGateway } from '../support/gateway.ts'
import { playWire, says, type PlayedWire } from '../support/played-wire.ts'

const FITS = says('{"degrees":12}')
const BREAKS = says('{"degrees":"warm"}')
const schema = { type: 'object', properties: { degrees: { type: 'number' } }, required: ['degrees'], additionalProperties: false }

/** Of an answer, with its 30 tokens in and 12 out at a dollar per million. */
const COST_USD = 0.000042

let gateway: PlayedGateway
let played: PlayedWire
/** What is said next; the last one stays. */
let script: (readonly CompletionPart[] | RouteplaneError)[] = []
let asked = 0

beforeAll(async () => {
  const chat = protocols.find(({ id }) => id === 'chat_completions') as (typeof protocols)[number]
  played = await playWire(chat, () => {
    const next = script[Math.min(asked++, script.length - 1)] ?? []
    if (next instanceof RouteplaneError) throw next
    return next
  })
  const models = ['{ id: priced, pricing: { prompt: "0.000001", completion: "0.000001" }, max_output_length: 100 }', '{ id: unpriced }']
  gateway = await startGateway([{ id: 'played', baseUrl: played.baseUrl, wires: ['chat_completions'], models }])
})
afterAll(async () => {
  await gateway.close()
  await played.upstream.close()
})

type Told = { readonly asked: number; readonly text: string; readonly schema: string | null; readonly headers: Headers }

type Asking = { readonly model?: string; readonly headers?: Readonly<Record<string, string>> }

function post(more: object, headers: Asking['headers'] = {}, model = 'priced'): Promise<Response> {
  const output_config = { format: { type: 'json_schema', schema } }
  return fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: `played:${model}`,
      max_tokens: 100,
      messages: [{ role: 'user', content: 'hi' }],
      output_config,
      ...more,
    }),
  })
}

async function ask(more: object, answers: typeof script, { model, headers }: Asking = {}): Promise<Told> {
  script = answers
  asked = 0
  const response = await post(more, headers, model)
  const text = await response.text()
  expect(response.status, text).toBe(200)
  return { asked, text, schema: response.headers.get('x-routeplane-schema'), headers: response.headers }
}

const wanted = { routeplane: { retry_schema: true } }

describe('retry_schema', () => {
  it('delivers the second answer, and says that there were two', async () => {
    const told = await ask(wanted, [BREAKS, FITS])
    expect([told.asked, told.schema, told.headers.get('x-routeplane-attempts')]).toEqual([2, null, '2'])
    expect(told.text).toContain('12')
    expect(told.headers.get('x-routeplane-warning')).toContain('asked for again')
  })

  it('is off unless it is asked for', async () => {
    expect(await ask({}, [BREAKS, FITS])).toMatchObject({ asked: 1, schema: 'violated' })
    expect(await ask({ routeplane: { retry_schema: false } }, [BREAKS, FITS])).toMatchObject({ asked: 1, schema: 'violated' })
  })

  it('happens once, and the report stays when the second answer is no better', async () => {
    expect(await ask(wanted, [BREAKS, BREAKS, FITS])).toMatchObject({ asked: 2, schema: 'violated' })
  })

  it('leaves an answer alone that fits, one that was cut short, and every stream', async () => {
    expect(await ask(wanted, [FITS])).toMatchObject({ asked: 1, schema: null })
    expect(await ask(wanted, [says('{"degrees":', 'length')])).toMatchObject({ asked: 1, schema: null })
    const streamed = await ask({ ...wanted, stream: true }, [BREAKS, FITS])
    expect(streamed.asked).toBe(1)
    expect(streamed.text).toContain(': x-routeplane-schema: violated')
  })

  it('delivers the first answer when the second fails', async () => {
    const told = await ask(wanted, [BREAKS, new RouteplaneError('upstream_error', 'not now')])
    expect(told).toMatchObject({ asked: 2, schema: 'violated' })
    expect(told.text).toContain('warm')
    expect(told.headers.get('x-routeplane-attempts')).toBe('1')
  })

  it('keeps both answers within a cap that the caller set, to the last micro-dollar', async () => {
    const refusal = await post(wanted, { 'x-routeplane-max-cost': '0.000001' })
    const boundUsd = Number(/it can cost up to \$([\d.]+)/.exec(await refusal.text())?.[1])
    const capped = (usd: number) => ask(wanted, [BREAKS, FITS], { headers: { 'x-routeplane-max-cost': usd.toFixed(6) } })
    expect(await capped(boundUsd + COST_USD)).toMatchObject({ asked: 2, schema: null })
    expect(await capped(boundUsd + COST_USD - 0.000001)).toMatchObject({ asked: 1, schema: 'violated' })
  })

  it('is not kept from a model without a price by a cap that is not the caller’s', async () => {
    expect(await ask(wanted, [BREAKS, FITS], { model: 'unpriced' })).toMatchObject({ asked: 2, schema: null })
  })
})

it('the operator may want it for every request, and a request may refuse it', async () => {
  const models = ['{ id: priced }']
  const own = await startGateway(
    [{ id: 'played', baseUrl: played.baseUrl, wires: ['chat_completions'], models }],
    ['routing: { retry_schema: true }'],
  )
  const before = gateway
  gateway = own
  try {
    expect(await ask({}, [BREAKS, FITS])).toMatchObject({ asked: 2, schema: null })
    expect(await ask({ routeplane: { retry_schema: false } }, [BREAKS, FITS])).toMatchObject({ asked: 1, schema: 'violated' })
  } finally {
    gateway = before
    await own.close()
  }
})
