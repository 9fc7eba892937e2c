/** Uptime: the share of counted requests that succeeded, newer ones weighing more. */
import type { Axis } from './axis.ts'

export const uptime = {
  id: 'uptime',
  better: 'higher',
  read: ({ health }) => health.uptime,
  ties: ['error_rate', 'cost'],
} as const satisfies Axis<'uptime'>
