/** Sellers on Solana who cheat, fail and fall silent: nothing is signed that was not agreed, and only the chain ends what was. */
import { decodePaymentSignatureHeader } from '@x402/core/http'
import { describe, expect, it } from 'vitest'
import { solanaAssets } from '../../contracts-abi/solana.ts'
import { startRelay, type RelayOptions } from '../gateway/relay.ts'
import { ask, openEngine, question } from '../support/engine.ts'
import { changeOffers, rewriteExtra, type OfferChange } from '../support/offers.ts'
import { DEVNET, newSolanaKey, type SolanaNode } from '../support/solana-node.ts'
import { attemptsOf, closedAttempts, FUNDS, openSolanaMarket, PRICE, writeSolanaWorld, type SolanaWorld } from '../support/solana-shop.ts'

const [mainnetUsdc] = solanaAssets

/** A seller behind a relay, and a buyer who knows only the relay. */
async function openTrade(relaying: RelayOptions = {}, market?: Awaited<ReturnType<typeof openSolanaMarket>>) {
  const { node, seller } = market ?? (await openSolanaMarket())
  const relay = await startRelay(seller, relaying)
  const world = await writeSolanaWorld(node, { ...relay, payTo: seller.payTo })
  const engine = await openEngine(world)
  return { node, seller, relay, world, engine, url: await engine.serve() }
}

const attemptOf = async (world: SolanaWorld) => (await attemptsOf(world))[0]

describe('an offer', () => {
  const cheats: readonly (readonly [string, string, OfferChange])[] = [
    ['for another payee', 'payee_mismatch', { payTo: newSolanaKey().address }],
    ['for a payee of the EVM', 'bad_payee', { payTo: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C' }],
    ['of another mint', 'unknown_asset', { asset: newSolanaKey().address }],
    ['of the mint in other capitals', 'unknown_asset', { asset: '4zmmc9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU' }],
    ['on the network of real money', 'unknown_network', { network: mainnetUsdc?.network ?? '', asset: mainnetUsdc?.address ?? '' }],
    ['on a network nobody knows', 'unknown_network', { network: 'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z' }],
    ['a hundred times as dear', 'price_above_cap', { amount: (amount) => amount * 100n }],
    ['a little above the price list', 'price_mismatch', { amount: (amount) => amount * 3n }],
    ['that is over', 'bad_challenge', { isOver: true }],
  ]
  it.each(cheats)('%s is refused as %s, and nothing is signed', async (_, code, change) => {
    const { world, url, relay, node } = await openTrade({ tamper: (answer) => changeOffers('x402-2', answer, change) })
    const { error } = await ask(url)
    expect([error?.code, error?.money]).toEqual([code, 'untouched'])
    expect([relay.credentials, (await attemptOf(world))?.state, node.landed]).toEqual([[], 'released', []])
  })

  it.each([
    ['our own wallet', (payer: string) => payer],
    ['nobody', () => ''],
    ['an address of the EVM', () => '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'],
  ])('that has %s pay the fee is refused', async (_, feePayer) => {
    const own = { payer: '' }
    const tamper: RelayOptions['tamper'] = (answer) => rewriteExtra(answer, (extra) => ({ ...extra, feePayer: feePayer(own.payer) }))
    const trade = await openTrade({ tamper })
    own.payer = trade.world.payer
    const { error } = await ask(trade.url)
    expect([error?.code, error?.money, trade.relay.credentials]).toEqual(['bad_challenge', 'untouched', []])
  })
})

describe('what is signed', () => {
  it('names a blockhash of our own node, whatever the seller says, and his memo where he has one', async () => {
    const blockhash = newSolanaKey().address
    const tamper: RelayOptions['tamper'] = (answer) =>
      rewriteExtra(answer, (extra) => ({ ...extra, recentBlockhash: blockhash, lastValidBlockHeight: '1', memo: 'invoice 7' }))
    const { world, url, relay } = await openTrade({ tamper })
    await ask(url)
    const { payload } = decodePaymentSignatureHeader(relay.credentials[0] ?? '')
    const wire = Buffer.from(String(payload['transaction']), 'base64')
    expect([wire.includes('invoice 7'), wire.includes(Buffer.from(blockhash))]).toEqual([true, false])
    expect((await attemptOf(world))?.payment?.particulars?.['blockhash']).not.toBe(blockhash)
    expect((await closedAttempts(world)).map(({ state }) => state)).toEqual(['settled'])
  })

  it('is paid for once, however often its header is sent', async () => {
    const { world, url, relay, seller, node } = await openTrade()
    expect((await ask(url)).status).toBe(200)
    const again = await fetch(`${seller.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'payment-signature': relay.credentials[0] ?? '' },
      body: JSON.stringify(question),
    })
    expect(again.status).toBe(402)
    expect([node.balanceOf(world.payer), (await closedAttempts(world)).length]).toEqual([FUNDS - PRICE, 1])
  })

  it('is another message for each of several calls at once', async () => {
    const { world, url, node } = await openTrade()
    const replies = await Promise.all([ask(url), ask(url), ask(url)])
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    const rows = await closedAttempts(world)
    expect(new Set(rows.map(({ payment }) => payment?.transaction))).toEqual(new Set(node.landed))
    expect([rows.length, node.balanceOf(world.payer)]).toEqual([3, FUNDS - 3n * PRICE])
  })
})

describe('a seller', () => {
  it('who fails before he settles keeps nothing once the blockhash is dead, and not before', async () => {
    const { world, url, node } = await openTrade({ instead: (_, paid) => (paid > 0 ? { hangUp: true } : undefined) })
    const { error } = await ask(url)
    expect([error?.code, error?.money]).toEqual(['payment_outcome_unknown', 'unknown'])
    expect(await attemptOf(world)).toMatchObject({ state: 'unknown', reason: expect.any(String) })
    node.pass(200)
    expect((await closedAttempts(world)).map(({ state, reason }) => [state, reason])).toEqual([['released', 'expired unused on chain']])
  })

  it.each([
    ['says 500 and nothing else', { status: 500, json: {} }],
    ['hangs up', { hangUp: true as const }],
  ])('who settles and then %s is found out by our own history', async (_, answer) => {
    const { world, url, node } = await openTrade({ tamper: (real, __, paid) => (paid > 0 && real.status === 200 ? answer : real) })
    const { error } = await ask(url)
    expect(['answer_lost', 'payment_outcome_unknown']).toContain(error?.code)
    const [row] = await closedAttempts(world)
    expect(row).toMatchObject({ state: 'settled', payment: { amountSettled: PRICE, transaction: node.landed[0] } })
  })

  it.each([
    ['somebody else’s', (other: string) => other],
    ['one that is nowhere', () => '5'.repeat(88)],
    ['one of the EVM', () => `0x${'ab'.repeat(32)}`],
  ])('whose receipt names another transaction, %s, is not believed', async (_, lie) => {
    let other = ''
    const { world, url, node } = await openTrade({
      tamper(real) {
        const header = real.headers['payment-response']
        if (typeof header !== 'string') return real
        const receipt = { ...(JSON.parse(Buffer.from(header, 'base64').toString()) as object), transaction: lie(other) }
        return { ...real, headers: { ...real.headers, 'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64') } }
      },
    })
    await ask(url)
    other = node.landed[0] ?? ''
    await ask(url)
    const rows = await closedAttempts(world)
    expect(rows.map(({ payment }) => payment?.transaction).toSorted()).toEqual(node.landed.toSorted())
  })

  it('who says that he is paid, and has settled nothing, is not', async () => {
    const receipt = { success: true, transaction: '5'.repeat(88), network: DEVNET }
    const paid = { 'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64') }
    const choices = [{ index: 0, message: { role: 'assistant', content: 'for nothing' }, finish_reason: 'stop' }]
    const answer = { headers: paid, json: { id: 'x', object: 'chat.completion', created: 1, model: 'demo/echo', choices } }
    const { world, url, node } = await openTrade({ instead: (_, count) => (count > 0 ? answer : undefined) })
    expect((await ask(url)).status).toBe(200)
    node.pass(200)
    expect((await closedAttempts(world)).map(({ state }) => state)).toEqual(['released'])
  })
})

describe('the chain', () => {
  it('that has seen a payment and not yet sworn to it leaves it confirmed, and final later', async () => {
    const { world, url, node, engine } = await openTrade()
    node.state.finalityLag = 40
    await ask(url)
    const [row] = await closedAttempts(world)
    expect(row).toMatchObject({ state: 'settled', payment: { finality: 'confirmed' } })
    node.state.finalityLag = 0
    await engine.routeplane.receipts.reconcileAll({})
    expect((await attemptOf(world))?.payment?.finality).toBe('final')
  })

  it.each<readonly [string, RegExp, (node: SolanaNode) => void]>([
    ['does not answer', /cannot be asked/, ({ state }) => state.failing.add('getSignaturesForAddress')],
    ['lists what it cannot show', /cannot be asked/, ({ state }) => state.failing.add('getTransaction')],
    ['lags behind what another has said', /cannot be asked/, ({ state }) => (state.finalityLag = -50)],
    ['has forgotten those blocks', /no longer has the blocks/, ({ state }) => Object.assign(state, { hidesHistory: true, firstSlot: 1e9 })],
  ])('whose node %s ends nothing', async (_, reason, harm) => {
    const market = await openSolanaMarket()
    const { node, seller } = market
    const tamper: RelayOptions['tamper'] = (real, _request, paid) => {
      if (paid === 0 || real.status !== 200) return real
      node.state.failing.add('getEpochInfo')
      return { hangUp: true }
    }
    const { world, url, engine } = await openTrade({ tamper }, market)
    await ask(url)
    node.pass(200)
    harm(node)
    node.state.failing.delete('getEpochInfo')
    const row = await attemptOf(world)
    const verdict = await engine.routeplane.receipts.verify(row?.id ?? '')
    expect([row?.state, verdict.verified, verdict.checks[0]?.detail]).toEqual(['unknown', false, expect.stringMatching(reason)])
    expect(node.balanceOf(seller.payTo)).toBe(PRICE)
    Object.assign(node.state, { finalityLag: 0, hidesHistory: false, firstSlot: 0 })
    node.state.failing.clear()
    expect((await closedAttempts(world)).map(({ state, payment }) => [state, payment?.transaction])).toEqual([['settled', node.landed[0]]])
  })

  it('of another network behind our address is not paid on', async () => {
    const { world, url, node, relay } = await openTrade()
    node.state.genesis = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'
    const { error } = await ask(url)
    expect([error?.code, error?.money, relay.credentials]).toEqual(['config_invalid', 'untouched', []])
    expect((await attemptOf(world))?.state).toBe('released')
  })

  it('on which the wallet has too little is not paid on', async () => {
    const { world, url, node, relay } = await openTrade()
    node.fund(world.payer, PRICE - 1n)
    const { error } = await ask(url)
    expect([error?.code, error?.money, relay.credentials]).toEqual(['insufficient_funds', 'untouched', []])
  })
})
