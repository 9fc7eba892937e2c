/** Uptime: the share of counted requests that went well. */
import type { Axis } from './axis.ts'

export const uptime = {
  id: 'uptime',
  better: 'higher',
  read: ({ health }) => health.uptime,
  ties: ['errorRate', 'latency'],
} as const satisfies Axis<'uptime'>
