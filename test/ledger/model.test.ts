/** The ledger against a model of a few lines, under random histories with crashes: caps hold and no money is lost or made. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createPlace, type LedgerPlace } from './open.ts'
import { holdOf, intentOf, limitOf, released, settledOf, unknown, usd } from './sample.ts'

type Attempt = {
  state: 'held' | 'intent' | 'unknown' | 'settled' | 'released'
  held: bigint
  paid: bigint
  request: number
  scopes: string[]
  owner: number
}
type Model = { attempts: Attempt[]; owner: number }
type Real = { place: LedgerPlace; ledger: Ledger }
type Step = fc.AsyncCommand<Model, Real>

const caps: Readonly<Record<string, bigint>> = { all: 40n, 'provider:acme': 25n }
const requestCap = 18n
const scopes = Object.keys(caps)
const isOpen = ({ state }: Attempt) => state === 'held' || state === 'intent' || state === 'unknown'
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)
const reservedOf = (attempts: readonly Attempt[]) => sum(attempts.filter(isOpen).map(({ held }) => held))
const paidOf = (attempts: readonly Attempt[]) => sum(attempts.map(({ paid }) => paid))

/** After every step: what the ledger says is what the model says, and no cap is passed. */
async function agree(model: Model, { ledger }: Real): Promise<void> {
  const standings = await ledger.attempts.budgets(scopes.map((scope) => limitOf(caps[scope] as bigint, scope)))
  for (const { limit, reserved, spent } of standings) {
    const own = model.attempts.filter((attempt) => attempt.scopes.includes(limit.scope))
    expect([limit.scope, reserved, spent]).toEqual([limit.scope, reservedOf(own), paidOf(own)])
    expect(reserved + spent <= limit.cap).toBe(true)
  }
  const rows = await ledger.attempts.list({})
  const told = rows.map(({ id, state, heldUsd, payment }) => [id, state, heldUsd, payment?.settledUsd])
  const expected = model.attempts.map(({ state, held, paid }, at) => [idOf(at), state, held, state === 'settled' ? paid : undefined])
  expect(told).toEqual(expected.reverse())
}

const idOf = (at: number) => `att-${String(at).padStart(5, '0')}`

function hold(amount: bigint, request: number, mask: number): Step {
  const chosen = scopes.filter((_, at) => (mask & (1 << at)) !== 0)
  return {
    check: () => true,
    toString: () => `hold(${amount}, request ${request}, ${chosen.join('+')})`,
    async run(model, real) {
      const counted = (attempts: readonly Attempt[]) => reservedOf(attempts) + paidOf(attempts)
      const rooms = [
        requestCap - counted(model.attempts.filter((attempt) => attempt.request === request)),
        ...chosen.map((scope) => (caps[scope] as bigint) - counted(model.attempts.filter((attempt) => attempt.scopes.includes(scope)))),
      ]
      const room = rooms.reduce((least, next) => (next < least ? next : least))
      const budgets = chosen.map((scope) => limitOf(caps[scope] as bigint, scope))
      const changes = { requestId: `req-${request}`, requestCap: usd(requestCap), budgets }
      const outcome = await real.ledger.attempts.hold(holdOf(idOf(model.attempts.length), amount, changes))
      if (amount > room) expect(outcome).toMatchObject({ granted: false, available: room })
      else {
        expect(outcome).toEqual({ granted: true })
        model.attempts.push({ state: 'held', held: amount, paid: 0n, request, scopes: chosen, owner: model.owner })
      }
      await agree(model, real)
    },
  }
}

type Move = {
  name: string
  from: readonly Attempt['state'][]
  repeats?: Attempt['state']
  amount?: bigint
  act(ledger: Ledger, id: string): Promise<void>
  apply(attempt: Attempt): void
}

/** Tries a move on any attempt, also where it must be refused. */
function move(pick: number, { name, from, repeats, amount = 0n, act, apply }: Move): Step {
  return {
    check: (model) => model.attempts.length > 0,
    toString: () => `${name}(${pick}, ${amount})`,
    async run(model, real) {
      const at = pick % model.attempts.length
      const attempt = model.attempts[at] as Attempt
      const asked = act(real.ledger, idOf(at))
      const repeated = attempt.state === repeats && (repeats !== 'settled' || attempt.paid === amount)
      if (from.includes(attempt.state) && amount <= attempt.held) {
        await asked
        apply(attempt)
      } else if (repeated) await asked
      else await expect(asked).rejects.toMatchObject({ code: 'internal' })
      await agree(model, real)
    },
  }
}

const intend = (pick: number, amount: bigint) =>
  move(pick, {
    ...{ name: 'intend', from: ['held'], amount, act: (ledger, id) => ledger.attempts.intend(id, intentOf(id, amount)) },
    apply: (attempt) => void Object.assign(attempt, { state: 'intent', held: amount }),
  })
const settle = (pick: number, amount: bigint) =>
  move(pick, {
    ...{ name: 'settle', from: ['intent', 'unknown'], repeats: 'settled', amount },
    act: (ledger, id) => ledger.attempts.end(id, settledOf(amount)),
    apply: (attempt) => void Object.assign(attempt, { state: 'settled', paid: amount }),
  })
const release = (pick: number) =>
  move(pick, {
    ...{
      name: 'release',
      from: ['held', 'intent', 'unknown'],
      repeats: 'released',
      act: (ledger, id) => ledger.attempts.end(id, released),
    },
    apply: (attempt) => void Object.assign(attempt, { state: 'released' }),
  })
const lose = (pick: number) =>
  move(pick, {
    ...{ name: 'lose', from: ['intent'], repeats: 'unknown', act: (ledger, id) => ledger.attempts.end(id, unknown) },
    apply: (attempt) => void Object.assign(attempt, { state: 'unknown' }),
  })

/** The process is gone without a word; its successor finds all that is open and takes every second of them. */
const crash: Step = {
  check: () => true,
  toString: () => 'crash',
  async run(model, real) {
    model.owner += 1
    real.ledger = await real.place.open(model.owner)
    const open = model.attempts.map((attempt, at) => ({ attempt, id: idOf(at) })).filter(({ attempt }) => isOpen(attempt))
    const found = await real.ledger.attempts.orphans(systemClock.now())
    expect(found.map(({ id }) => id)).toEqual(open.map(({ id }) => id))
    for (const [at, { attempt, id }] of open.entries()) {
      if (at % 2 === 1) continue
      expect(await real.ledger.attempts.adopt(id)).toBe(true)
      attempt.owner = model.owner
    }
    const left = open.filter(({ attempt }) => attempt.owner !== model.owner)
    expect((await real.ledger.attempts.orphans(systemClock.now())).map(({ id }) => id)).toEqual(left.map(({ id }) => id))
    await agree(model, real)
  },
}

const amount = fc.nat(12).map(BigInt)
const commands = fc.commands(
  [
    fc.tuple(amount, fc.nat(4), fc.nat(3)).map(([own, request, mask]) => hold(own, request, mask)),
    fc.tuple(fc.nat(), amount).map(([pick, own]) => intend(pick, own)),
    fc.tuple(fc.nat(), amount).map(([pick, own]) => settle(pick, own)),
    fc.nat().map(release),
    fc.nat().map(lose),
    fc.constant(crash),
  ],
  { size: 'max', maxCommands: 60 },
)

it('agrees with the model after every step of any history', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      await using place = createPlace()
      await fc.asyncModelRun(async () => ({ model: { attempts: [], owner: 1 }, real: { place, ledger: await place.open(1) } }), history)
      expect(await (await place.open(999)).verifyEvents()).toEqual({ ok: true })
    }),
    { numRuns: 60 },
  )
})
