/** Cost: what this request is expected to cost, payment overhead included. */
import type { Axis } from './axis.ts'

export const cost = {
  id: 'cost',
  better: 'lower',
  // Only ever compared: the amount itself stays whole in the candidate.
  read: ({ expectedUsd }) => (expectedUsd === undefined ? undefined : Number(expectedUsd)),
  ties: ['uptime', 'errorRate'],
} as const satisfies Axis<'cost'>
