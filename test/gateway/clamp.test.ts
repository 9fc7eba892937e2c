/** An answer that is too long for its cap is asked for as long as the cap buys, and only where that was wanted. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failed, open, said, source, type OpenWorld } from '../promises/world.ts'

type Card = {
  readonly candidates: readonly { readonly bound_usd?: string; readonly losses?: readonly string[] }[]
  readonly refused: readonly { readonly reason: string }[]
}

const PER_TOKEN = 0.000001
const MOST = 4_000

/** One provider at a dollar per million tokens each way, which speaks one wire. */
async function shop(wire: string, answer = said('short')): Promise<OpenWorld & { readonly asked: () => Record<string, unknown> }> {
  const upstream = await source(answer)
  const price = PER_TOKEN.toFixed(6)
  const world = await open({
    config: {
      providers: {
        one: {
          api_base: `${upstream.url}/v1`,
          api_protocol: [{ '*': [wire] }],
          models: [{ id: 'maker/m', pricing: { prompt: price, completion: price }, max_output_length: MOST }],
        },
      },
      presets: { short: { clamp_to_budget: true } },
    },
  })
  return { ...world, asked: () => upstream.requests.findLast(({ method }) => method === 'POST')?.json as Record<string, unknown> }
}

const post = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

const question = { model: 'maker/m', messages: [{ role: 'user', content: 'hello' }] }

describe('clamp_to_budget', () => {
  it.each(['chat_completions', 'messages', 'responses', 'generate_content'])(
    'never lets a request over %s cost more than its cap, never asks for less than a token, and changes nothing where it is off',
    async (wire) => {
      const world = await shop(wire)
      // By header: more bytes in the body would be a dearer request.
      const decide = async (body: object, clamp?: string) => {
        const reply = await post(`${world.url}/v1/route`, body, clamp === undefined ? {} : { 'x-routeplane-clamp-to-budget': clamp })
        return (await reply.json()) as Card
      }
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 6_000 }), fc.option(fc.integer({ min: 1, max: 6_000 })), async (cap, wanted) => {
          const maxCost = (cap * PER_TOKEN).toFixed(6)
          const body = { ...question, max_cost_usd: maxCost, ...(wanted === null ? {} : { max_tokens: wanted }) }
          const [plain, clamped, off] = [await decide(body), await decide(body, '1'), await decide(body, '0')]
          expect([off.candidates, off.refused]).toEqual([plain.candidates, plain.refused])
          if (plain.candidates.length > 0) expect(clamped.candidates).toEqual(plain.candidates)
          for (const { bound_usd: bound, losses = [] } of clamped.candidates) {
            expect(Number(bound)).toBeLessThanOrEqual(Number(maxCost))
            if (plain.candidates.length === 0)
              expect(Number(/lowered to the (\d+) tokens/.exec(losses.join('\n'))?.[1])).toBeGreaterThanOrEqual(1)
          }
          if (clamped.candidates.length === 0) expect(clamped.refused[0]?.reason).toBe('price_above_cap')
        }),
        { numRuns: 25 },
      )
    },
  )

  it('lowers the limit in the caller’s own bytes and says so, by body, header and preset', async () => {
    const world = await shop('chat_completions')
    const capped = { ...question, max_tokens: 3_000, max_cost_usd: '0.002', seed: 7 }
    expect((await post(`${world.url}/v1/chat/completions`, capped)).status).toBe(403)
    const ways = [
      post(`${world.url}/v1/chat/completions`, { ...capped, routeplane: { clamp_to_budget: true } }),
      post(`${world.url}/v1/chat/completions`, capped, { 'x-routeplane-clamp-to-budget': '1' }),
      post(`${world.url}/v1/chat/completions`, { ...capped, preset: 'short' }),
    ]
    for (const way of ways) {
      const reply = await way
      expect(reply.status).toBe(200)
      expect(reply.headers.get('x-routeplane-loss')).toContain('max_tokens')
    }
    const { max_tokens: limit, ...rest } = world.asked()
    expect(limit).toBeGreaterThan(1_000)
    expect(limit).toBeLessThan(2_000)
    expect(rest).toEqual({ ...question, seed: 7 })
  })

  it.each([
    ['messages', '/v1/messages', { ...question, max_tokens: 3_000 }, (sent: Record<string, unknown>) => sent['max_tokens']],
    ['responses', '/v1/responses', { model: 'maker/m', input: 'hello' }, (sent: Record<string, unknown>) => sent['max_output_tokens']],
    [
      'generate_content',
      '/v1beta/models/maker/m:generateContent',
      { contents: [{ role: 'user', parts: [{ text: 'hello' }] }], generationConfig: { temperature: 0 } },
      (sent: Record<string, unknown>) => (sent['generationConfig'] as Record<string, unknown>)['maxOutputTokens'],
    ],
  ] as const)('lowers the limit of %s where that wire has it', async (wire, path, body, limitOf) => {
    const world = await shop(wire, failed(400))
    await post(world.url + path, body, { 'x-routeplane-max-cost': '0.002', 'x-routeplane-clamp-to-budget': '1' })
    expect(limitOf(world.asked())).toBeGreaterThan(1_000)
    expect(limitOf(world.asked())).toBeLessThan(2_000)
  })

  it('asks for nothing that the wire would refuse: thinking longer than the limit, or losses where none may be', async () => {
    const world = await shop('messages')
    const thinking = { ...question, max_tokens: 3_000, thinking: { type: 'enabled', budget_tokens: 2_500 }, max_cost_usd: '0.002' }
    const clamped = { ...thinking, routeplane: { clamp_to_budget: true } }
    expect((await post(`${world.url}/v1/messages`, clamped)).status).toBe(403)
    const strict = { ...question, max_tokens: 3_000, max_cost_usd: '0.002', routeplane: { clamp_to_budget: true, strict: true } }
    expect((await post(`${world.url}/v1/messages`, strict)).status).toBe(403)
    expect(world.asked()).toBeUndefined()
  })
})
