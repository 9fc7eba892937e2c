/** Channels in trouble: money that runs out, sellers that are busy or gone in the middle, and processes killed around a deposit. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import type { ChannelProvider } from '../../src/demo/channel-provider.ts'
import { transact } from '../../src/demo/install-contract.ts'
import { formatOwner } from '../../src/ledger/owner.ts'
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createId } from '../../src/lib/id.ts'
import { silentLog } from '../../src/lib/log.ts'
import { fromAtomic, type Atomic } from '../../src/money.ts'
import { startRelay } from '../gateway/relay.ts'
import { channelsOf, chargedOf, expectChannelsBalanced, openTrade, useChannelMarket, worldOf } from '../support/channel-market.ts'
import {
  ask,
  closedBooks,
  expectBalanced,
  expectUntouched,
  openEngine,
  passTime,
  question,
  readBooks,
  type World,
} from '../support/engine.ts'
import { startUpstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'
import { startChild } from './children/start.ts'

const market = useChannelMarket()

const buy = (url: string) => ask(url, { ...question, max_tokens: 20 })

/** A transfer of the token by its owner, who needs no key on a local chain. */
async function spendFromWallet({ payer }: World, amount: bigint): Promise<void> {
  const { rpc } = market().network.anvil
  await rpc('anvil_setBalance', [payer, '0xde0b6b3a7640000'])
  await rpc('anvil_impersonateAccount', [payer])
  const words = [`0x${'d'.repeat(40)}`, `0x${amount.toString(16)}`].map((word) => word.slice(2).padStart(64, '0'))
  await transact(rpc, { from: payer, to: market().network.asset.address, data: `0xa9059cbb${words.join('')}`, gas: '0x40000' })
}

it('tops a channel up when what is left does not cover the next call', async () => {
  verifies('card.pay.once')
  const { seller, world, engine, url } = await openTrade(market())
  // A seller that wishes for nothing is given what each call needs, and no more.
  seller.faults.mutateChallenge = (offers) => offers.map((offer) => ({ ...offer, extra: { ...offer.extra, minDeposit: '1' } }))
  for (let call = 0; call < 3; call++) expect(await buy(url)).toMatchObject({ status: 200 })
  const books = await closedBooks(world)
  await engine.close()
  expect(books.transfers).toHaveLength(3)
  expect((await channelsOf(world)).map(({ state }) => state)).toEqual(['open'])
  await expectChannelsBalanced(market(), world, seller, books)
})

it('asks again with the same voucher while the seller is still busy with a call that it has hung up on', async () => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const { seller, world, engine, url } = await openTrade(market())
  seller.faults.hangUp = true
  let met = 0
  seller.faults.beforeAnswer = async () => {
    met++
    seller.faults.hangUp = false
    if (met > 1) return
    // Longer than the first wait of whoever asks again, shorter than the second.
    await sleep(700)
    seller.faults.failWith = 500
    setTimeout(() => delete seller.faults.failWith, 50)
  }
  expect(await buy(url)).toMatchObject({ status: 200 })
  expect(seller.counters.requests).toBeGreaterThanOrEqual(4)
  const books = await closedBooks(world)
  await engine.close()
  expect(books.rows).toHaveLength(2)
  await expectChannelsBalanced(market(), world, seller, books)
})

it('learns from a seller that was busy, hung up and charged, that the call is paid', async () => {
  const { seller, world, engine, url } = await openTrade(market())
  seller.faults.hangUp = true
  seller.faults.beforeAnswer = async () => {
    seller.faults.hangUp = false
    await sleep(400)
  }
  expect((await buy(url)).error).toMatchObject({ code: 'answer_lost', money: 'settled' })
  delete seller.faults.beforeAnswer
  expect(await buy(url)).toMatchObject({ status: 200 })
  const books = await closedBooks(world)
  await engine.close()
  expect(books.transfers).toHaveLength(1)
  expect(chargedOf(books)).toHaveLength(2)
  await expectChannelsBalanced(market(), world, seller, books)
})

it('signs nothing for a wallet that cannot fill the channel, and pays once it can', async () => {
  verifies('card.cap.before_signing')
  const { world, engine, url } = await openTrade(market(), { funds: 10n as Atomic })
  expect((await buy(url)).error).toMatchObject({ code: 'insufficient_funds', money: 'untouched' })
  expectUntouched(await readBooks(world))
  await market().network.mint(world.payer, 100_000n as Atomic)
  expect(await buy(url)).toMatchObject({ status: 200 })
  expectBalanced(await closedBooks(world))
  await engine.close()
  expect(await channelsOf(world)).toHaveLength(1)
})

it('gives a deposit back that its wallet refuses to sign, and pays once it does', async () => {
  verifies('card.cap.before_signing')
  // The first account of anvil's published mnemonic, which it signs for.
  const payer = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
  let refuses = true
  const signer = await startUpstream(async ({ body }) => {
    if (refuses) return { json: { jsonrpc: '2.0', id: 1, error: { code: 4001, message: 'not now' } } }
    const answer = await fetch(market().network.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: String(body),
    })
    return { json: await answer.json() }
  })
  onTestFinished(() => signer.close())
  const seller = await market().startSeller()
  const wallet = `signer: { url: "${signer.url}", address: "${payer}" }`
  const world = { ...(await worldOf(market(), [seller], { wallet })), payer: payer as `0x${string}` }
  await market().network.mint(payer, 10_000_000n as Atomic)
  const engine = await openEngine(world)
  const url = await engine.serve()
  expect((await buy(url)).error).toMatchObject({ code: 'wallet_locked', money: 'untouched' })
  const refused = await readBooks(world)
  expect([refused.rows.map(({ state }) => state), refused.open]).toEqual([['released', 'released'], []])
  refuses = false
  expect(await buy(url)).toMatchObject({ status: 200 })
  expectBalanced(await closedBooks(world))
  await engine.close()
})

it('puts in what one call needs when wallet or budget do not allow for ten, and then pays without the wallet', async () => {
  verifies('card.cap.rolling')
  const seller = await market().startSeller()
  const rich = await worldOf(market(), [seller])
  const first = await openEngine(rich)
  await buy(await first.serve())
  await first.close()
  const [wished] = (await readBooks(rich)).transfers
  const one = (wished?.amount ?? 0n) / 10n
  // The call's own hold stands beside the deposit until the voucher is written.
  const perDayUsd = `0.${(one * 5n).toString().padStart(6, '0')}`
  for (const options of [{ funds: (one * 2n) as Atomic }, { perDayUsd, perRequestUsd: perDayUsd }]) {
    const world = await worldOf(market(), [seller], options)
    const engine = await openEngine(world)
    const url = await engine.serve()
    expect(await buy(url)).toMatchObject({ status: 200, error: undefined })
    expect((await readBooks(world)).transfers.map(({ amount }) => amount)).toEqual([one])
    await engine.close()
  }
  // What lies in the channel is spent from there, whatever has become of the wallet.
  await spendFromWallet(rich, 10_000_000n - (wished?.amount ?? 0n))
  const again = await openEngine(rich)
  expect(await buy(await again.serve())).toMatchObject({ status: 200 })
  await again.close()
  expect(chargedOf(await readBooks(rich))).toHaveLength(2)
})

it('finds on chain a deposit whose answer was lost, and pays on from it', async () => {
  verifies('card.pay.unknown_outcome')
  const { seller, world, engine, url } = await openTrade(market())
  seller.faults.afterSettle = 'drop-connection'
  expect((await buy(url)).error).toMatchObject({ code: 'answer_lost', money: 'settled' })
  delete seller.faults.afterSettle
  expect(await buy(url)).toMatchObject({ status: 200 })
  const books = await closedBooks(world)
  await engine.close()
  expect(books.transfers).toHaveLength(1)
  await expectChannelsBalanced(market(), world, seller, books)
})

/** What a process leaves behind that dies after it has written a promise down and before it signs: the next in line ends its hold. */
async function promiseUnsigned(world: World, amount: Atomic): Promise<void> {
  const now = systemClock.now()
  const owner = formatOwner({ host: 'dead', pid: 1, startMs: now })
  const ledger = await openSqliteLedger({ path: world.ledgerPath, owner, clock: systemClock, log: silentLog })
  const [channel] = await ledger.channels.list({})
  const id = createId('att', now)
  const usd = fromAtomic(amount, 6, 'up')
  await ledger.attempts.hold({
    ...{ id, requestId: 'req-dead', provider: 'channel', model: 'demo/echo', mode: 'x402' },
    ...{ amount: usd, requestCap: usd, budgets: [], now },
  })
  expect(await ledger.channels.lease(channel?.id ?? '', id, now)).toBe(true)
  await ledger.channels.promise(channel?.id ?? '', { attempt: id, amount }, now)
  await ledger.attempts.end(id, { state: 'released', reason: 'its process ended before signing', now })
  await ledger.close()
}

/** Calls that stand on the same base and for the same amount as the next one, and were never charged. */
const predecessors = [
  { which: 'died before it was signed', leave: promiseUnsigned },
  {
    which: 'was refused',
    async leave(_world: World, _amount: Atomic, seller: ChannelProvider, url: string) {
      seller.faults.refuse = 'something else'
      expect((await buy(url)).error).toMatchObject({ code: 'payment_outcome_unknown', money: 'unknown' })
      delete seller.faults.refuse
    },
  },
] as const

it.each(predecessors)('takes a lost charge for that of the call that was sent, not of one before it that $which', async ({ leave }) => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const { seller, world, engine, url } = await openTrade(market())
  expect(await buy(url)).toMatchObject({ status: 200 })
  const [voucher] = (await closedBooks(world)).rows.filter(({ payment }) => payment?.proof === 'voucher')
  await leave(world, voucher?.payment?.amountAuthorized ?? (0n as Atomic), seller, url)
  seller.faults.afterSettle = 'drop-connection'
  expect((await buy(url)).error).toMatchObject({ code: 'answer_lost', money: 'settled' })
  delete seller.faults.afterSettle
  expect(await buy(url)).toMatchObject({ status: 200 })
  const books = await closedBooks(world)
  await engine.close()
  expect(chargedOf(books)).toHaveLength(3)
  await expectChannelsBalanced(market(), world, seller, books)
})

/** The seller does this to whoever is paying, at the moment that is told. */
const deaths = [
  { when: 'before its deposit is taken', kill: 'beforeAnswer' },
  { when: 'after its deposit and voucher are taken', kill: 'mutateReceipt' },
] as const

it.each(deaths)('the heir of a process killed $when pays on from the same channel', async ({ kill }) => {
  verifies('card.pay.once', 'card.pay.unknown_outcome')
  const seller = await market().startSeller()
  const world = await worldOf(market(), [seller])
  const child = startChild('crash.ts', world, '1')
  if (kill === 'beforeAnswer') {
    seller.faults.beforeAnswer = async () => {
      child.process.kill('SIGKILL')
      await child.ended
    }
  } else {
    seller.faults.mutateReceipt = (receipt) => {
      child.process.kill('SIGKILL')
      return receipt
    }
  }
  await child.ended
  delete seller.faults.beforeAnswer
  delete seller.faults.mutateReceipt
  const engine = await openEngine(world)
  const url = await engine.serve()
  expect(await buy(url)).toMatchObject({ status: 200 })
  for (const { id } of await engine.routeplane.channels.list()) await engine.routeplane.channels.close(id)
  const books = await closedBooks(world)
  await engine.close()
  await expectChannelsBalanced(market(), world, seller, books)
})

// Last, because it lets the chain's clock run ahead of ours.
it('has paid nothing to a seller that says it charged a deposit which never came, and fills another channel', async () => {
  const seller = await market().startSeller()
  const receipt = { success: true, transaction: `0x${'12'.repeat(32)}`, network: 'eip155:84532', extra: { chargedAmount: '5' } }
  const forged = { 'payment-response': Buffer.from(JSON.stringify(receipt)).toString('base64') }
  const message = { role: 'assistant', content: 'free' }
  const json = { id: 'x', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] }
  const relay = await startRelay(seller, { instead: (_, paid) => (paid === 1 ? { headers: forged, json } : undefined) })
  const world = await worldOf(market(), [{ ...seller, baseUrl: relay.baseUrl }])
  const engine = await openEngine(world)
  expect(await buy(await engine.serve())).toMatchObject({ status: 200 })
  await engine.close()
  expect((await readBooks(world)).open).toHaveLength(2)
  await passTime(market().network, 90)
  const heir = await openEngine(world, { ...systemClock, now: () => systemClock.now() + 90_000 })
  expect(await buy(await heir.serve())).toMatchObject({ status: 200 })
  const books = await closedBooks(world)
  await heir.close()
  expectBalanced(books)
  expect((await channelsOf(world)).map(({ state }) => state)).toEqual(['distrusted', 'open'])
  await seller.claims.claimAndSettle()
  const earned = await market().network.chain.balanceOf(market().network.asset.address, seller.payTo)
  expect(chargedOf(books)).toEqual([earned])
})
