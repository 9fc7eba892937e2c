/** Whatever a caller may write in `model` can be looked up under that name, in the shape of whose client asks. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PlayedGateway, startGateway } from '../support/gateway.ts'

let gateway: PlayedGateway
beforeAll(async () => {
  const provider = (id: string, models: readonly string[]) => ({
    id,
    baseUrl: 'http://127.0.0.1:9/v1',
    wires: ['chat_completions' as const],
    models,
  })
  gateway = await startGateway(
    [
      provider('north', ['{ id: maker/moss, provider_model_id: moss-2 }']),
      provider('south', ['{ id: maker/moss }', '{ id: "llama3:8b" }']),
    ],
    ['models: { thrifty: { endpoints: [{ provider: south, model: maker/moss }] } }'],
  )
})
afterAll(() => gateway.close())

type Shown = { id?: string; name?: string; providers?: readonly { id: string; model: string }[]; data?: { id: string } }

async function show(ref: string, headers: Readonly<Record<string, string>> = {}): Promise<readonly [number, Shown]> {
  const answer = await fetch(`${gateway.url}/v1/models/${ref}`, { headers })
  return [answer.status, (await answer.json()) as Shown]
}

it.each([
  ['maker/moss', 'maker/moss', ['north', 'south']],
  ['maker%2Fmoss', 'maker/moss', ['north', 'south']],
  ['maker/moss:cost', 'maker/moss', ['north', 'south']],
  ['north:maker/moss', 'north:maker/moss', ['north']],
  ['north:maker%2Fmoss', 'north:maker/moss', ['north']],
  ['north%3Amaker%2Fmoss', 'north:maker/moss', ['north']],
  ['north:moss-2', 'north:moss-2', ['north']],
  ['south:maker/moss:latency', 'south:maker/moss', ['south']],
  ['llama3:8b', 'llama3:8b', ['south']],
  ['moss-2', 'moss-2', ['north']],
  ['thrifty', 'thrifty', ['south']],
])('%s is shown as %s of %j', async (ref, id, providers) => {
  const [status, shown] = await show(ref)
  expect([status, shown.id, shown.providers?.map((each) => each.id)]).toEqual([200, id, providers])
})

it('names a pinned one alike to clients of every wire', async () => {
  expect(await show('north:maker/moss', { 'anthropic-version': '2023-06-01' })).toMatchObject([
    200,
    { type: 'model', id: 'north:maker/moss' },
  ])
  expect(await show('north:maker/moss', { 'x-goog-api-key': 'k' })).toMatchObject([200, { name: 'models/north:maker/moss' }])
  expect(await show('north:maker/moss/endpoints')).toMatchObject([200, { data: { id: 'north:maker/moss', endpoints: [{ tag: 'north' }] } }])
})

it.each(['maker/none', 'north:none', 'nobody:maker/moss', 'maker/moss:free', 'maker/moss:discount', '@none', 'a b'])(
  '%s is not there',
  async (ref) => {
    expect(await show(ref)).toMatchObject([404, { error: { code: 'model_not_found' } }])
  },
)
