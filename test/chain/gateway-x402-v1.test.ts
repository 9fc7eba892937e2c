/** Sellers of x402's first version: offers in the body, short network names, and the official facilitator of that version behind them. */
import { encodePaymentRequiredHeader } from '@x402/core/http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import {
  ELDER_PRICE,
  startElderSeller,
  type ElderChallenge,
  type ElderChange,
  type ElderOptions,
  type ElderSeller,
} from '../support/elder-seller.ts'
import { ask, closedBooks, expectBalanced, expectUntouched, openEngine, readBooks, writeWorld } from '../support/engine.ts'

const current = useDemoNetwork()

async function startSeller(change?: ElderChange, extraHeaders?: ElderOptions['extraHeaders']): Promise<ElderSeller> {
  const seller = await startElderSeller(current(), {
    ...(change === undefined ? {} : { change }),
    ...(extraHeaders === undefined ? {} : { extraHeaders }),
  })
  onTestFinished(() => seller.stop())
  return seller
}

async function open(seller: ElderSeller) {
  const world = await writeWorld(current(), { sellers: [seller] })
  return { world, url: await (await openEngine(world)).serve() }
}

describe('x402 version 1', () => {
  it('is paid once, with a receipt that the chain confirms', async () => {
    const seller = await startSeller()
    const { world, url } = await open(seller)
    const reply = await ask(url)
    expect([reply.status, reply.error]).toEqual([200, undefined])
    const books = await closedBooks(world)
    expect(books.rows.map(({ state, payment }) => [state, payment?.protocol, payment?.amountSettled])).toEqual([['settled', 'x402-1', 90n]])
    expect([books.transfers.length, seller.counters.answered]).toEqual([1, 1])
    expectBalanced(books)
  })

  it.each<[string, string, (offer: ElderChallenge['accepts'][0]) => object]>([
    ['another payee', 'payee_mismatch', () => ({ payTo: randomHex(20) })],
    ['another token', 'unknown_asset', () => ({ asset: randomHex(20) })],
    ['a network we do not know', 'unknown_network', () => ({ network: 'base-goerli' })],
    ['a mainnet', 'unknown_asset', () => ({ network: 'base' })],
    ['another domain', 'bad_challenge', () => ({ extra: { name: 'Dai', version: '2' } })],
    ['a price a hundred times the listed one', 'price_mismatch', () => ({ maxAmountRequired: `${ELDER_PRICE}00` })],
    ['an amount in the form 1e2', 'bad_challenge', () => ({ maxAmountRequired: '1e2' })],
    ['an unknown scheme', 'unsupported_scheme', () => ({ scheme: 'evil' })],
    ['the later version’s Permit2', 'unsupported_scheme', () => ({ extra: { assetTransferMethod: 'permit2' } })],
    ['no time', 'bad_challenge', () => ({ maxTimeoutSeconds: 0 })],
  ])('with %s is refused as %s', async (_, code, change) => {
    const { world, url } = await open(
      await startSeller((challenge) => ({ ...challenge, accepts: challenge.accepts.map((offer) => ({ ...offer, ...change(offer) })) })),
    )
    expect((await ask(url)).error).toMatchObject({ money: 'untouched', code })
    expectUntouched(await readBooks(world))
  })

  it.each<[string, ElderChange]>([
    ['nothing', () => ({})],
    ['no offers', (challenge) => ({ ...challenge, accepts: [] })],
    ['nine offers', (challenge) => ({ ...challenge, accepts: Array.from({ length: 9 }, () => challenge.accepts[0]) })],
    ['an amount that is a number', ({ accepts, ...rest }) => ({ ...rest, accepts: [{ ...accepts[0], maxAmountRequired: 90 }] })],
    ['a version to come', (challenge) => ({ ...challenge, x402Version: 3 })],
  ])('with %s in its body is a bad challenge', async (_, change) => {
    const { world, url } = await open(await startSeller(change))
    expect((await ask(url)).error).toMatchObject({ code: 'bad_challenge', money: 'untouched' })
    expectUntouched(await readBooks(world))
  })

  it('gives way to the second version where a 402 speaks both', async () => {
    const seller = await startSeller(undefined, (payTo) => {
      const { asset, network } = current()
      const offer = {
        scheme: 'exact',
        network,
        amount: ELDER_PRICE,
        asset: asset.address,
        payTo,
        maxTimeoutSeconds: 60,
        extra: { ...asset.domain },
      }
      return {
        'payment-required': encodePaymentRequiredHeader({
          x402Version: 2,
          resource: { url: 'http://seller.example/' },
          accepts: [offer],
        } as never),
      }
    })
    const { world, url } = await open(seller)
    // This seller reads only the first version's header: it asks again, and what was signed stays a risk.
    expect((await ask(url)).error?.code).toBe('payment_outcome_unknown')
    expect((await readBooks(world)).rows.map(({ payment }) => payment?.protocol)).toEqual(['x402-2'])
  })
})
