/** What a receipt says of amounts: integers of base units as text, and nothing of what is not known. */
import { expect, it } from 'vitest'
import { receiptCard } from '../../../src/card/receipt-card.ts'
import { parseUsd } from '../../../src/money.ts'
import { atomic, paymentOf, rowOf } from '../payment/fixture.ts'

/** As whoever asks for it reads it. */
const readCard = (receipt: Parameters<typeof receiptCard>[0]) => JSON.parse(JSON.stringify(receiptCard(receipt))) as Record<string, unknown>

it.each(['intent', 'unknown'] as const)('does not say what a payment that is %s came to', (state) => {
  const card = readCard(rowOf(state))
  expect(card).toMatchObject({ status: 'pending', held_usd: '0.001', payment: { amount_authorized: '1000' } })
  for (const unknown of ['amount_settled', 'settled_usd', 'transaction', 'finality']) expect(card['payment']).not.toHaveProperty(unknown)
})

it('says amounts to the unit, however large', () => {
  const large = atomic(2n ** 53n + 1n)
  const payment = paymentOf({ amountAuthorized: large, amountSettled: large, settledUsd: parseUsd('0.001'), finality: 'final' })
  expect(readCard(rowOf('settled', { payment }))).toMatchObject({
    status: 'final',
    payment: { amount_authorized: '9007199254740993', amount_settled: '9007199254740993', settled_usd: '0.001' },
  })
})
