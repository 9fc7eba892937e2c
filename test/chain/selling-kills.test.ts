/** A seller is killed at each phase of a sale, by every way to pay: the same payment brings its answer, and nothing is collected twice. */
import { describe, expect, it } from 'vitest'
import { createRpc } from '../../src/demo/rpc.ts'
import { startNodeProxy, type NodeAnswer } from '../support/node-proxy.ts'
import { carried, ON_BASE, requestOf, useWaysToPay, type WayToPay } from '../support/payments.ts'
import { chatWire, openShop, order, salesOf, writeKeyedShop } from '../support/shop.ts'
import { said, script, words, writeTempoShop } from '../support/tempo-shop.ts'
import type { Answer, SeenRequest } from '../support/upstream.ts'
import { startChild } from './children/start.ts'

const { onBase, onTempo, ways } = useWaysToPay()
const whole = words.join('')

/** One payer of a way to pay, with what he sends for his question. */
type Trial = { readonly way: string; readonly stream: boolean; readonly isSecond?: true }
const trials: Readonly<Record<'base' | 'tempo', readonly Trial[]>> = {
  base: [
    { way: 'x402 exact', stream: true },
    { way: 'x402 exact through Permit2', stream: false },
    { way: 'x402 upto', stream: true },
    { way: 'x402 batch-settlement', stream: true },
    { way: 'x402 batch-settlement', stream: true, isSecond: true },
    { way: 'evm/charge', stream: true },
  ],
  tempo: [
    { way: 'tempo/charge', stream: true },
    // Streams of sessions are given on voucher by voucher; they are killed in the suite of sessions.
    { way: 'tempo/session', stream: false },
    { way: 'tempo/session', stream: false, isSecond: true },
  ],
}

type Watched = { readonly asked: number; readonly heard: number; readonly silenced: number; readonly sent: number; readonly paid: number }
type Phase = {
  readonly name: string
  /** How far everything has to have come. */
  isReached(watched: Watched, places: keyof typeof trials): boolean
  /** What the node does not answer from then on that the payments are sent. */
  isSilent?(method: string, isAllSent: boolean): boolean
  /** Whether what it does not answer reaches the chain all the same. */
  readonly isSent?: true
  /** What the provider says until the seller is killed. */
  answer?(request: SeenRequest): Answer | Promise<Answer>
}
/** Those that have a transaction of their own. */
const settlements = { base: 5, tempo: 2 }
const isSending = (method: string) => method.startsWith('eth_sendRawTransaction')
const streamed = ({ json }: Pick<SeenRequest, 'json'>) => (json as { stream?: boolean }).stream === true
const phases: readonly Phase[] = [
  { name: 'while payments are judged', isReached: ({ silenced }) => silenced >= 2, isSilent: () => true },
  { name: 'before the first byte', isReached: ({ asked, paid }) => asked >= paid, answer: () => new Promise(() => {}) },
  {
    name: 'in the middle of an answer',
    isReached: ({ asked, heard, paid }, place) => asked >= paid && heard >= trials[place].filter(({ stream }) => stream).length,
    answer: (request) => (streamed(request) ? { stream: [said('how '), 'stall'] } : new Promise(() => {})),
  },
  { name: 'before a settlement is sent', isReached: ({ silenced }) => silenced >= 1, isSilent: isSending },
  {
    name: 'between a settlement and its receipt',
    isReached: ({ sent }, place) => sent >= settlements[place],
    // A transfer is looked for before it is sent, too.
    isSilent: (method, isAllSent) =>
      method.endsWith('Sync') || method === 'eth_getTransactionReceipt' || (isAllSent && method === 'eth_getLogs'),
    isSent: true,
  },
]

/** A world whose node and provider do as the phase wants, until the seller is killed. */
async function openWorld(place: keyof typeof trials, phase: Phase) {
  const network = place === 'base' ? onBase() : onTempo()
  const rpc = createRpc(network.rpcUrl)
  const watched = { asked: 0, heard: 0, silenced: 0, sent: 0, paid: 0 }
  let isArmed = false
  const answer: NodeAnswer = (method, params) => {
    if (!isArmed) return undefined
    if (isSending(method)) watched.sent++
    if (phase.isSilent?.(method, watched.sent >= settlements[place]) !== true) return undefined
    watched.silenced++
    if (phase.isSent === true && isSending(method)) void rpc(method, params).catch(() => {})
    return 'silence'
  }
  const rpcUrl = await startNodeProxy(rpc, answer)
  const provider = (request: SeenRequest) => {
    if (isArmed) watched.asked++
    return isArmed && phase.answer !== undefined ? phase.answer(request) : script(request)
  }
  const { world } =
    place === 'base'
      ? await writeKeyedShop({ ...onBase(), rpcUrl }, provider, { charge: ON_BASE })
      : await writeTempoShop({ ...onTempo(), rpcUrl }, provider)
  const arm = (is: boolean) => {
    isArmed = is
  }
  return { network, world, watched, arm }
}

/** Whoever pays leaves the connection to itself: it breaks when the seller is killed. */
async function listen(url: string, { stream }: Trial, text: string, headers: Record<string, string>, onFirst: () => void): Promise<void> {
  try {
    const response = await fetch(url + chatWire.path(stream), requestOf(chatWire, { stream, text, headers }))
    const reader = response.body?.getReader()
    await reader?.read()
    if (response.status === 200) onFirst()
    while ((await reader?.read())?.done === false);
  } catch {
    // The seller is dead.
  }
}

async function untilPaid(ask: () => ReturnType<typeof order>): ReturnType<typeof order> {
  for (let tries = 0; ; tries++) {
    const answer = await ask()
    if (![409, 503].includes(answer.status) || tries > 100) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function playOn(place: keyof typeof trials, phase: Phase): Promise<void> {
  const { network, world, watched, arm } = await openWorld(place, phase)
  const child = startChild('shop.ts', world)
  const url = await child.first()
  const payments: { readonly trial: Trial; readonly text: string; readonly headers: Record<string, string> }[] = []
  for (const [at, trial] of trials[place].entries()) {
    const { createPayer, carriage } = ways.find(({ name }) => name === trial.way) as WayToPay
    const payer = await createPayer()
    if (trial.isSecond === true) expect((await order(payer.fetch ?? fetch, url, chatWire, { text: 'before' })).status).toBe(200)
    const text = `${trial.way} ${at}`
    const payment = await payer.sign(url, chatWire, { stream: trial.stream, text })
    payments.push({ trial, text, headers: carried(carriage, JSON.stringify(payment)) })
  }
  arm(true)
  watched.paid = payments.length
  const listening = payments.map(({ trial, text, headers }) => listen(url, trial, text, headers, () => void watched.heard++))
  await child.until(() => phase.isReached(watched, place))
  child.process.kill('SIGKILL')
  await Promise.all([child.ended, ...listening])
  arm(false)

  const shop = await openShop(world)
  const fetched = () =>
    Promise.all(
      payments.map(async ({ trial: { stream, way }, text, headers }) => {
        const answer = await untilPaid(() => order(fetch, shop.url, chatWire, { stream, text, headers }))
        return [way, answer.status, answer.status === 200 ? chatWire.textOf(answer.text) : answer.text]
      }),
    )
  const due = payments.map(({ trial: { way } }) => [way, 200, whole])
  expect(await fetched()).toEqual(due)
  await shop.engine.routeplane.cashier?.collectOpen()
  const asked = trials[place].filter(({ isSecond }) => isSecond === true).length + payments.length
  const sales = await salesOf(world)
  expect([sales.length, sales.filter(({ state }) => state !== 'settled')]).toEqual([asked, []])
  expect(await fetched()).toEqual(due)
  await shop.engine.routeplane.cashier?.payOut()
  const earned = (await salesOf(world)).reduce((sum, { amountSettled }) => sum + (amountSettled ?? 0n), 0n)
  expect(await network.chain.balanceOf(network.asset.address, world.payTo)).toBe(earned)
}

describe.each(phases)('a seller who is killed $name', (phase) => {
  it('has whole books, and answers each payment that is sent again, once', async () => {
    await Promise.all([playOn('base', phase), playOn('tempo', phase)])
  }, 60_000)
})
