/** Sellers whose 402 declares an extension of x402, read by the official package: what they get, and that a repeat is the same. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import {
  declarePaymentIdentifierExtension,
  extractAndValidatePaymentIdentifier,
  PAYMENT_IDENTIFIER,
  validatePaymentIdentifierRequirement,
} from '@x402/extensions/payment-identifier'
import { describe, expect, it } from 'vitest'
import { readPaymentHeader } from '../../src/demo/sale.ts'
import { startRelay, type Passed } from '../gateway/relay.ts'
import { useDemoNetwork } from '../support/chain.ts'
import { ask, closedBooks, expectBalanced, openEngine, writeWorld } from '../support/engine.ts'

const current = useDemoNetwork()
const prices = { prompt: '0.000001', completion: '0.000005' }

function declare(answer: Passed, extensions: object): Passed {
  const challenge = JSON.parse(Buffer.from(String(answer.headers['payment-required']), 'base64').toString()) as object
  return {
    ...answer,
    headers: { ...answer.headers, 'payment-required': encodePaymentRequiredHeader({ ...challenge, extensions } as never) },
  }
}

/** A seller that declares these extensions, stumbles over the first payment, and takes only what the official reader takes. */
async function open(extensions: object, isRequired: boolean) {
  const seller = await current().startProvider({ id: 'first', prices })
  const relay = await startRelay(seller, {
    tamper: (answer, _, paid) => (paid === 0 ? declare(answer, extensions) : answer),
    instead: ({ headers }, paid) => {
      if (paid === 1) return { status: 503, json: {} }
      if (paid === 0) return undefined
      const { valid, errors } = validatePaymentIdentifierRequirement(readPaymentHeader(String(headers['payment-signature'])), isRequired)
      return valid ? undefined : { status: 400, json: { error: { message: errors?.join() } } }
    },
  })
  const world = await writeWorld(current(), { sellers: [relay] })
  return { relay, world, url: await (await openEngine(world)).serve() }
}

describe('payment-identifier', () => {
  it.each([true, false])('names the attempt, and a repeat carries the same name (required: %s)', async (isRequired) => {
    const { relay, world, url } = await open({ [PAYMENT_IDENTIFIER]: declarePaymentIdentifierExtension(isRequired), other: {} }, isRequired)
    const reply = await ask(url)
    expect([reply.status, reply.error, relay.credentials.length]).toEqual([200, undefined, 2])
    const books = await closedBooks(world)
    expectBalanced(books)
    const sent = relay.credentials.map(readPaymentHeader)
    expect(sent.map(extractAndValidatePaymentIdentifier).map(({ id }) => id)).toEqual([1, 2].map(() => `pay_${books.rows[0]?.id}`))
    expect(sent.map(({ extensions }) => Object.keys(extensions ?? {}))).toEqual([1, 2].map(() => [PAYMENT_IDENTIFIER]))
  })

  it.each([{}, { [PAYMENT_IDENTIFIER]: 'soup' }, { [PAYMENT_IDENTIFIER]: { info: [] } }])(
    'is not sent where nobody declares it as it is written (%#)',
    async (extensions) => {
      const { relay, world, url } = await open(extensions, false)
      expect((await ask(url)).status).toBe(200)
      expectBalanced(await closedBooks(world))
      expect(relay.credentials.map(readPaymentHeader).map((payload) => payload.extensions)).toEqual([undefined, undefined])
    },
  )
})
