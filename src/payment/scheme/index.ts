/** The schemes we can sign, cheapest to run first. */
import { exact } from './exact.ts'

export const schemes = [exact] as const
