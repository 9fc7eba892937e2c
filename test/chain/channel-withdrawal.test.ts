/** `routeplane channels withdraw` against sellers that are gone: two transactions of the wallet's own, killed between them, and books that equal the chain. */
import { encodeAbiParameters, keccak256 } from 'viem'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { tempoReserveAddress } from '../../contracts-abi/tempo-channels.ts'
import type { Rpc } from '../../src/demo/rpc.ts'
import { allowReserve, startSessionProvider } from '../../src/demo/session-provider.ts'
import { startTempoNetwork, type TempoNetwork } from '../../src/demo/tempo-network.ts'
import type { Reconciliation } from '../../src/payment/reconcile.ts'
import { useChannelMarket, worldOf } from '../support/channel-market.ts'
import { runCommand, startCommand } from '../support/command.ts'
import { ask, closedBooks, openEngine, passTime, question, writeWorld, type TestEngine, type World } from '../support/engine.ts'
import { verifies } from '../support/verifies.ts'

const market = useChannelMarket()
let tempo: TempoNetwork
beforeAll(async () => {
  tempo = await startTempoNetwork()
})
afterAll(() => tempo.stop())

/** Runs a step and kills its process while its transaction waits for a block; then lets the block come. */
async function killInStep({ rpc }: { readonly rpc: Rpc }, world: World, id: string): Promise<void> {
  await rpc('evm_setAutomine', [false])
  const { process: child, ended } = startCommand(world, 'channels', 'withdraw', id, '--yes')
  await expect.poll(() => rpc('txpool_status', []), { timeout: 20_000 }).toMatchObject({ pending: '0x1' })
  child.kill('SIGKILL')
  await ended
}

async function goOn({ rpc }: { readonly rpc: Rpc }): Promise<void> {
  await rpc('evm_mine', [])
  await rpc('evm_setAutomine', [true])
}

const differences = (books: readonly { readonly result?: Reconciliation }[]) => books.map(({ result }) => result?.differences)

it('takes the money out of a session whose seller is gone, with the fee of each step in the books', async () => {
  verifies('card.receipt.verified')
  const seller = await startSessionProvider({ id: 'first', network: tempo, prices: { prompt: '0.000001', completion: '0.000005' } })
  onTestFinished(() => seller.stop())
  const world = await writeWorld(tempo, { sellers: [seller], perRequestUsd: '0.05' })
  await allowReserve(tempo, world.payer)
  const engine = await openEngine(world)
  await ask(await engine.serve(), { ...question, stream: true })
  await closedBooks(world)
  const [channel] = await engine.routeplane.channels.list()
  const id = channel?.id ?? '0x'
  await seller.stop()

  await killInStep(tempo.anvil, world, id)
  await goOn(tempo.anvil)
  expect(await engine.routeplane.channels.withdrawal(id)).toMatchObject({ next: 'wait', channel: { state: 'withdrawing' } })
  await engine.close()
  await letGraceEnd(tempo.anvil.rpc, id)
  expect(await runCommand(world, 'channels', 'withdraw', id, '--yes')).toMatchObject({
    code: 0,
    out: expect.stringContaining('Nothing of yours is left') as string,
  })
  const heir = await openEngine(world)
  const [after] = await heir.routeplane.channels.list()
  // What was promised was never settled: all of it came back.
  expect(after).toMatchObject({ state: 'closed', returned: channel?.deposited })
  const books = await closedBooks(world)
  const fees = books.rows.filter(({ payment }) => payment?.proof === 'tempo-call')
  expect(fees.map(({ state, payment }) => [state, payment?.particulars?.['step']])).toEqual([
    ['settled', 'withdraw'],
    ['settled', 'requestClose'],
  ])
  expect(differences(await heir.routeplane.receipts.reconcileAll({ network: tempo.network }))).toEqual([[]])
  for (const { id: receipt } of fees) expect(await heir.routeplane.receipts.verify(receipt)).toMatchObject({ verified: true })
  await heir.close()
})

/** As if the payer had asked earlier: the chain's own clock may not run ahead of ours, for signatures of Tempo die by it. */
async function letGraceEnd(rpc: Rpc, id: `0x${string}`): Promise<void> {
  const slot = keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [id, 1n]))
  const word = BigInt((await rpc('eth_getStorageAt', [tempoReserveAddress, slot, 'latest'])) as string)
  const earlier = word - (901n << 192n)
  await rpc('anvil_setStorageAt', [tempoReserveAddress, slot, `0x${earlier.toString(16).padStart(64, '0')}`])
}

// Last, because it lets the chain's clock run ahead of ours.
it('takes the money out of a channel whose seller is gone, and says what gas is missing', async () => {
  verifies('card.receipt.verified')
  const { network } = market()
  const seller = await market().startSeller()
  const world = await worldOf(market(), [seller])
  const engine = await openEngine(world)
  await ask(await engine.serve(), { ...question, model: 'demo/echo' })
  const [channel] = await engine.routeplane.channels.list()
  const id = channel?.id ?? ''
  await seller.claims.claimAndSettle()
  await seller.stop()
  const { channels } = engine.routeplane
  await expect(channels.quoteWithdrawal(await channels.withdrawal(id), 'begin')).rejects.toMatchObject({
    code: 'insufficient_funds',
    message: expect.stringMatching(/lacks 0\.\d+ of the coin of Base Sepolia/) as string,
  })
  expect((await channels.list())[0]?.state).toBe('open')
  await network.anvil.rpc('anvil_setBalance', [world.payer, '0xde0b6b3a7640000'])
  const leftBefore = await dayLeft(engine)

  await killInStep(network.anvil, world, id)
  // The step is neither sent twice nor forgotten.
  const standing = await channels.withdrawal(id)
  expect([standing.next, standing.channel.state]).toEqual(['begin', 'withdrawing'])
  await expect(channels.withdraw(standing, { step: 'begin', most: 10n ** 18n })).rejects.toMatchObject({ code: 'overloaded' })
  await goOn(network.anvil)
  expect(await channels.withdrawal(id)).toMatchObject({ next: 'wait' })
  await passTime(network, 901)
  const { code, out } = await runCommand(world, 'channels', 'withdraw', id, '--yes', '--format', 'json')
  expect([code, JSON.parse(out)]).toMatchObject([
    0,
    { state: 'closed', next: 'nothing', transaction: expect.stringMatching(/^0x/) as string },
  ])
  const [after] = await channels.list()
  expect(after).toMatchObject({ state: 'closed', returned: (after?.deposited ?? 0n) - (after?.charged ?? 0n) })
  expect((await dayLeft(engine)) - leftBefore).toBe((after?.returned ?? 0n) * 10n ** 12n)
  expect(await network.chain.balanceOf(network.asset.address, world.payer)).toBe(10_000_000n - (after?.charged ?? 0n))
  expect(differences(await engine.routeplane.receipts.reconcileAll({}))).toEqual([[]])
  await engine.close()
})

async function dayLeft({ routeplane }: TestEngine): Promise<bigint> {
  return (await routeplane.status()).caps.find(({ scope }) => scope === 'all')?.availableUsd ?? 0n
}
