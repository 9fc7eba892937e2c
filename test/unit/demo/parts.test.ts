import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { broadcast } from '../../../src/demo/broadcast.ts'
import { answerTokens, readChatRequest } from '../../../src/demo/echo-model.ts'
import { ceilingQuote } from '../../../src/demo/price-list.ts'
import { fromAtomic, parseUsd, times } from '../../../src/money.ts'

async function* emit<T>(items: readonly T[], error?: Error): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve()
    yield item
  }
  if (error !== undefined) throw error
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

describe('broadcast', () => {
  it('gives everything to every reader, early, late or leaving', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer()), fc.nat(5), async (items, leaveAfter) => {
        const shared = broadcast(emit(items))
        const leaver = async () => {
          let seen = 0
          for await (const _ of shared) if (++seen > leaveAfter) break
        }
        const [early] = await Promise.all([collect(shared), leaver()])
        expect([early, await collect(shared)]).toEqual([items, items])
      }),
    )
  })

  it('gives its failure to every reader, after what came before', async () => {
    const shared = broadcast(emit([1, 2], new Error('broken')))
    for (let reader = 0; reader < 2; reader++) {
      const seen: number[] = []
      const reading = (async () => {
        for await (const item of shared) seen.push(item)
      })()
      await expect(reading).rejects.toThrow('broken')
      expect(seen).toEqual([1, 2])
    }
  })
})

describe('the echo model', () => {
  it('says at most as many tokens as it may, and they are the beginning of the whole', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 30 }), (question, limit) => {
        const all = answerTokens('acme', question, 10_000).tokens
        const { tokens, cut } = answerTokens('acme', question, limit)
        expect(tokens).toEqual(all.slice(0, limit))
        expect(cut).toBe(all.length > limit)
        expect(all.join('').startsWith('acme heard:')).toBe(true)
      }),
    )
  })

  it('reads the last question, from text or from parts', () => {
    const bytes = (body: object) => new TextEncoder().encode(JSON.stringify(body))
    const messages = [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'answer' },
      { role: 'user', content: [{ type: 'text', text: 'second' }, { type: 'image_url' }] },
      { role: 'tool', content: 'x' },
    ]
    const request = readChatRequest(bytes({ model: 'm', messages, max_completion_tokens: 5, max_tokens: 9 }))
    expect(request).toMatchObject({ question: 'second', maxTokens: 5, stream: false, includeUsage: false })
    expect(request.promptTokens).toBe(Math.ceil(bytes({ model: 'm', messages, max_completion_tokens: 5, max_tokens: 9 }).length / 4))
  })
})

describe('the ceiling quote', () => {
  it('covers the price of every answer it allows, by less than one base unit, and is never nothing', () => {
    fc.assert(
      fc.property(
        fc.nat(100_000),
        fc.integer({ min: 1, max: 100_000 }),
        fc.nat(10 ** 9),
        fc.nat(10 ** 9),
        (input, output, prompt, completion) => {
          const price = (units: number) => `0.${units.toString().padStart(12, '0')}`
          const quote = ceilingQuote({ prompt: price(prompt), completion: price(completion) }, input, output, 6)
          const exact = times(parseUsd(price(prompt)), BigInt(input)) + times(parseUsd(price(completion)), BigInt(output))
          expect(quote).toBeGreaterThan(0n)
          expect(fromAtomic(quote, 6, 'down')).toBeGreaterThanOrEqual(exact)
          if (quote > 1n) expect(fromAtomic((quote - 1n) as typeof quote, 6, 'down')).toBeLessThan(exact)
        },
      ),
    )
  })
})
