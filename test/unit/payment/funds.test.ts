/** Money is there only once: what is signed away counts as gone, and a chain that cannot be asked decides nothing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Chain } from '../../../src/chain/chain.ts'
import { RouteplaneError } from '../../../src/errors.ts'
import { assertFunds } from '../../../src/payment/funds.ts'
import type { AttemptRow } from '../../../src/ledger/entry.ts'
import { attemptStates } from '../../../src/ledger/rules.ts'
import { atomic, createMemoryLedger, NETWORK, PAYEE, PAYER, paymentOf, rowOf, signedOf } from './fixture.ts'

async function check(balance: bigint | undefined, amount: bigint, rows: readonly AttemptRow[] = []): Promise<void> {
  const balanceOf = async () => {
    if (balance === undefined) throw new RouteplaneError('upstream_unreachable', 'no answer')
    return atomic(balance)
  }
  const { agreed } = signedOf().plan
  const wanted = { agreed: { ...agreed, amount: atomic(amount) }, payer: PAYER, attemptId: 'pay_mine' } as const
  await assertFunds(wanted, { ledger: createMemoryLedger(rows), chainOf: () => ({ balanceOf }) as unknown as Chain })
}

const refused = { code: 'insufficient_funds', money: 'untouched' }

describe('funds', () => {
  it('are enough exactly when the balance covers everything that may still be cashed', async () => {
    const amount = fc.bigInt({ min: 1n, max: 10_000n })
    const rows = fc.array(fc.tuple(fc.constantFrom(...attemptStates), amount), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 0n, max: 30_000n }), amount, rows, async (balance, wanted, states) => {
        const ledgerRows = states.map(([state, own], at) =>
          rowOf(state, { id: `pay_${at}`, ...(state === 'held' ? {} : { payment: paymentOf({ amountAuthorized: atomic(own) }) }) }),
        )
        const open = states.filter(([state]) => state === 'intent' || state === 'unknown').reduce((sum, [, own]) => sum + own, 0n)
        if (balance >= open + wanted) await expect(check(balance, wanted, ledgerRows)).resolves.toBeUndefined()
        else await expect(check(balance, wanted, ledgerRows)).rejects.toMatchObject(refused)
      }),
    )
  })

  it('of another chain, token or wallet, and our own attempt, are not counted', async () => {
    const others = [
      rowOf('unknown', { id: 'pay_a', payment: paymentOf({ network: 'eip155:8453' }) }),
      rowOf('unknown', { id: 'pay_b', payment: paymentOf({ asset: PAYEE }) }),
      rowOf('unknown', { id: 'pay_c', payment: paymentOf({ payer: PAYEE }) }),
      rowOf('intent', { id: 'pay_mine' }),
    ]
    await expect(check(1_000n, 1_000n, others)).resolves.toBeUndefined()
    await expect(check(999n, 1_000n, others)).rejects.toMatchObject(refused)
  })

  it('that cannot be read do not stop a payment: the chain itself refuses an overdraft', async () => {
    await expect(check(undefined, 1_000n)).resolves.toBeUndefined()
  })

  it('that are missing are named in dollars, with who must be funded on which network', async () => {
    await expect(check(250n, 1_000n, [rowOf('unknown')])).rejects.toMatchObject({
      message: expect.stringContaining('the wallet can spend 0 '),
      hint: expect.stringContaining(PAYER),
      details: { network: NETWORK, payer: PAYER, spendableUsd: '0', neededUsd: '0.001' },
    })
  })
})
