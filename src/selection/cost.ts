/** Cost: what this request is expected to cost, payment overhead included. */
import type { Axis } from './axis.ts'

export const cost = {
  id: 'cost',
  better: 'lower',
  // A score, not money: nothing is ever paid by this number.
  read: ({ expectedUsd }) => (expectedUsd === undefined ? undefined : Number(expectedUsd)),
  ties: ['uptime', 'error_rate'],
} as const satisfies Axis<'cost'>
