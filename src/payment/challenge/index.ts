/** The challenge formats we understand, most preferred first. */
import { x402V2 } from './x402-v2.ts'

export const challengeFormats = [x402V2] as const
