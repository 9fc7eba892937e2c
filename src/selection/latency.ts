/** Latency: median time to the first token, in milliseconds. */
import type { Axis } from './axis.ts'

export const latency = {
  id: 'latency',
  better: 'lower',
  read: ({ health }) => health.ttftMs,
  ties: ['throughput', 'uptime'],
} as const satisfies Axis<'latency'>
