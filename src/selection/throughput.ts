/** Throughput: output tokens a second over the whole generation, waiting included. */
import type { Axis } from './axis.ts'

export const throughput = {
  id: 'throughput',
  better: 'higher',
  read: ({ health }) => health.throughput,
  ties: ['latency', 'uptime'],
} as const satisfies Axis<'throughput'>
