/** What `channels withdraw` asks, sends and says; the chain suite sends for real. */
import { expect, it } from 'vitest'
import { parseUsd, toAtomic, type Atomic } from '../../src/money.ts'
import type { Routeplane, Withdrawal } from '../../src/routeplane.ts'
import { createWorld, type WorldOptions } from './fake-context.ts'

const ID = `0x${'1a'.repeat(32)}` as const
const PAYER = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'
const amount = toAtomic(parseUsd('0.45'), 6, 'down')
const zero = 0n as Atomic
const calls = { begin: { to: '0x4020', data: '0xbe' }, finish: { to: '0x4020', data: '0xf1' } } as const
const withdrawal: Withdrawal = {
  channel: {
    ...{ id: ID, network: 'eip155:84532', asset: '0x036C', decimals: 6, payer: PAYER, payerAuthorizer: '0x01', receiver: '0x02' },
    ...{
      receiverAuthorizer: '0x03',
      withdrawDelay: 900,
      salt: '0x04',
      provider: 'acme',
      resource: 'https://acme.example',
      wire: 'chat-completions',
    },
    ...{
      model: 'm',
      state: 'open',
      deposited: amount,
      depositing: zero,
      returned: zero,
      charged: zero,
      signed: zero,
      createdAt: 1,
      updatedAt: 1,
    },
  },
  next: 'begin',
  amount,
  calls,
}
const FINISH_AT = Date.UTC(2026, 10, 27, 12)
const waiting: Withdrawal = { ...withdrawal, channel: { ...withdrawal.channel, state: 'withdrawing' }, next: 'wait', finishAt: FINISH_AT }
const due: Withdrawal = { ...waiting, next: 'finish' }
const over: Withdrawal = {
  ...withdrawal,
  channel: { ...withdrawal.channel, state: 'closed', returned: amount },
  next: 'nothing',
  amount: zero,
}

function createWithdrawing(standing: Withdrawal, options: WorldOptions = {}) {
  const sent: unknown[] = []
  const channels: Routeplane['channels'] = {
    list: async () => [],
    close: () => Promise.reject(new Error('not reached')),
    withdrawal: async () => standing,
    quoteWithdrawal: async () => ({ most: 1_500_000_000_000n, has: 10n ** 18n, decimals: 18 }),
    async withdraw(_, agreed) {
      sent.push(agreed)
      return { transaction: `0x${'ab'.repeat(32)}`, withdrawal: agreed.step === 'begin' ? waiting : over }
    },
  }
  return { world: createWorld({ routeplane: { channels }, ...options }), sent }
}

it('says what will be, asks, and sends the step that is due', async () => {
  const { world, sent } = createWithdrawing(withdrawal, { answers: ['y'] })
  const { code, out, error } = await world.run('channels', 'withdraw', ID)
  expect([code, sent]).toEqual([0, [{ step: 'begin', most: 1_500_000_000_000n }]])
  for (const part of ['first of two', '900 s', '$0.45', "0.0000015 of the network's coin", PAYER]) expect(error).toContain(part)
  expect(out).toContain('Run this again from 2026-11-27T12:00:00.000Z on.')
  const second = createWithdrawing(due, { answers: ['yes'] })
  const done = await second.world.run('channels', 'withdraw', ID)
  expect([done.code, second.sent]).toEqual([0, [{ step: 'finish', most: 1_500_000_000_000n }]])
  expect(done.out).toContain('$0.45 came back')
})

it.each<[string, Withdrawal, readonly string[], WorldOptions, number, string]>([
  ['a no', withdrawal, [], { answers: ['n'] }, 1, 'Nothing was sent.'],
  ['nobody to ask', withdrawal, [], {}, 2, ''],
  ['a delay that runs', waiting, ['--yes'], {}, 0, 'Run this again from 2026-11-27T12:00:00.000Z'],
  ['a channel that is empty', over, ['--yes'], {}, 0, 'Nothing of yours is left'],
  ['--print', withdrawal, ['--print'], {}, 0, '0xbe'],
  ['--print of the second step', due, ['--print'], {}, 0, '0xf1'],
])('sends nothing for %s', async (_, standing, args, options, exitCode, said) => {
  const { world, sent } = createWithdrawing(standing, options)
  const { code, out } = await world.run('channels', 'withdraw', ID, ...args)
  expect([code, sent]).toEqual([exitCode, []])
  expect(out).toContain(said)
})

it('says so to machines', async () => {
  const { world } = createWithdrawing(withdrawal)
  const { out } = await world.run('channels', 'withdraw', ID, '--yes', '--format', 'json')
  expect(JSON.parse(out)).toMatchObject({
    ...{ id: ID, state: 'withdrawing', next: 'wait', comes_back: '0.45', finish_at: '2026-11-27T12:00:00.000Z' },
    transaction: `0x${'ab'.repeat(32)}`,
    begin: calls.begin,
  })
})
