/** A provider's refusal without our keys in it, wherever the network cut it. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readBody, type HttpResponse } from '../../../src/lib/http-call.ts'
import { withoutSecrets } from '../../../src/payment/redact.ts'

const KEY = 'Zephyr.0123/abc+ü'

function responseOf(status: number, text: string, cuts: readonly number[]): HttpResponse {
  const bytes = Buffer.from(text)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  async function* body() {
    for (const [at, from] of places.slice(0, -1).entries()) yield bytes.subarray(from, places[at + 1])
  }
  return { status, headers: {}, body: body() }
}

it('never shows a key, and changes nothing else', async () => {
  const text = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(KEY)), { maxLength: 8 }).map((parts) => parts.join(''))
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.constantFrom(400, 401, 403, 429, 500, 302),
      async (said, cuts, status) => {
        const read = await readBody(withoutSecrets(responseOf(status, said, cuts), [KEY, 'short']), 1_000_000)
        expect(read).toBe(said.replaceAll(KEY, '[api-key]'))
      },
    ),
  )
})

it('leaves a good answer alone, its stream included', async () => {
  const good = responseOf(200, `you said ${KEY}`, [])
  expect(withoutSecrets(good, [KEY])).toBe(good)
  expect(withoutSecrets({ ...good, status: 500 }, []).body).toBe(good.body)
})

it('reads no more of a refusal than an error may have', async () => {
  let given = 0
  async function* endless() {
    for (;;) {
      given += 1
      yield Buffer.alloc(64 * 1024, 'x')
    }
  }
  const body = await readBody(withoutSecrets({ status: 500, headers: {}, body: endless() }, [KEY]), 1_000_000)
  expect([body.length, given]).toEqual([320 * 1024, 5])
})
