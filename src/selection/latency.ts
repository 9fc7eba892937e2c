/** Latency: median time to first token over the rolling window, in milliseconds. */
import type { Axis } from './axis.ts'

export const latency = {
  id: 'latency',
  better: 'lower',
  read: ({ health }) => health.ttftMs,
  ties: ['throughput', 'uptime'],
} as const satisfies Axis<'latency'>
