/** The axes endpoints are compared along, and their published weights in the balanced order. */
import { cost } from './cost.ts'
import { latency } from './latency.ts'
import { throughput } from './throughput.ts'
import { uptime } from './uptime.ts'

export const axes = [cost, latency, throughput, uptime] as const
export type AxisId = (typeof axes)[number]['id']

/** Shares of the balanced score; they add up to 1. Stamped on each decision by {@link WEIGHTS_VERSION}. */
export const balancedWeights: Readonly<Record<AxisId, number>> = { cost: 0.35, latency: 0.2, throughput: 0.15, uptime: 0.3 }
export const WEIGHTS_VERSION = '1'

/** How a list of endpoints may be ordered: blended, or along one axis. */
export type Sort = 'balanced' | AxisId

export function isSort(text: string): text is Sort {
  return text === 'balanced' || axes.some(({ id }) => id === text)
}
