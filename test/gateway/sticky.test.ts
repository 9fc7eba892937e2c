/** With `routing.sticky` a conversation stays where its prompt cache is, for exactly what that saves, and for no longer. */
import { expect, it } from 'vitest'
import { ask } from '../support/engine.ts'
import { open, said, source, stillClock } from '../promises/world.ts'

const long = 'All of this has been said before. '.repeat(100)
const opening = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: long },
]
const goingOn = [...opening, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'And again?' }]

/** `warm` is a little dearer, but reads what it has read before at a tenth. */
async function twoSources(sticky: boolean) {
  const clock = stillClock()
  const usage = { prompt_tokens: 850, completion_tokens: 2, total_tokens: 852 }
  const [warm, plain] = [await source(() => said('warm', { usage })), await source(() => said('plain', { usage }))]
  const block = (url: string, pricing: object) => ({ api_base: `${url}/v1`, models: [{ id: 'maker/m', pricing, max_output_length: 100 }] })
  const providers = {
    warm: block(warm.url, { prompt: '0.000002', completion: '0.000002', input_cache_read: '0.0000002' }),
    plain: block(plain.url, { prompt: '0.0000019', completion: '0.000002' }),
  }
  const world = await open({ config: { providers, ...(sticky ? { routing: { sticky: true } } : {}) }, clock })
  const body = (messages: object, model = 'maker/m:cost') => ({ model, messages, max_tokens: 4 })
  return {
    clock,
    providerOf: async (messages: object, model?: string) =>
      (await ask(world.url, body(messages, model))).headers.get('x-routeplane-provider'),
    explain: async (messages: object) => {
      const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body(messages)) }
      return (await (await fetch(`${world.url}/v1/route`, asked)).json()) as {
        readonly candidates: readonly { readonly endpoint: string; readonly expected_usd: string; readonly saving_usd?: string }[]
      }
    },
  }
}

it('stays with whom has read the conversation, shows what that is worth, and leaves when the cache has gone', async () => {
  const { clock, providerOf, explain } = await twoSources(true)
  expect(await providerOf(opening)).toBe('plain')
  expect(await providerOf(opening, 'warm:maker/m')).toBe('warm')
  expect(await providerOf(goingOn)).toBe('warm')
  const [first, second] = (await explain(goingOn)).candidates
  expect([first?.endpoint, second?.endpoint]).toEqual(['warm:maker/m', 'plain:maker/m'])
  // 850 tokens at the difference of 1.8 millionths; the other has no price for what it reads again.
  expect([first?.saving_usd, second?.saving_usd]).toEqual(['0.00153', undefined])
  expect(await providerOf([{ role: 'user', content: long }])).toBe('plain')
  clock.set(clock.now() + 5 * 60_000 + 1)
  expect(await providerOf(goingOn)).toBe('plain')
})

it('goes where it is cheapest by the list unless the operator has turned it on', async () => {
  const { providerOf, explain } = await twoSources(false)
  expect(await providerOf(opening, 'warm:maker/m')).toBe('warm')
  expect(await providerOf(goingOn)).toBe('plain')
  expect((await explain(goingOn)).candidates.map(({ saving_usd }) => saving_usd)).toEqual([undefined, undefined])
})
