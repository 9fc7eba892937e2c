/** The axes in which endpoints are compared, and what each weighs in the balanced score. */
import { cost } from './cost.ts'
import { latency } from './latency.ts'
import { throughput } from './throughput.ts'
import { uptime } from './uptime.ts'

/** Axes a caller can name as a variant; a new one goes here. */
export const variantAxes = [cost, latency, throughput] as const

export const axes = [...variantAxes, uptime] as const

export type AxisId = (typeof axes)[number]['id']

export type Weights = Readonly<Record<AxisId, number>>

/** Published; whoever changes a weight counts the version up. */
export const BALANCED_VERSION = 1

export const balancedWeights: Weights = { cost: 0.35, latency: 0.2, throughput: 0.15, uptime: 0.3 }
