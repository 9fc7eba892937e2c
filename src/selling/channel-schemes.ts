/** Which schemes take their payments out of a channel that is filled already; those of all others leave the payer's balance. */
import { sellingMethods } from './mpp/method/index.ts'
import type { SellingMethod } from './mpp/method.ts'
import { sellingSchemes } from './x402/scheme/index.ts'
import type { SellingScheme } from './x402/scheme/scheme.ts'

const schemes: readonly SellingScheme[] = sellingSchemes
const methods: readonly SellingMethod[] = sellingMethods

export const channelSchemes: readonly string[] = [
  ...schemes.filter(({ channel }) => channel !== undefined),
  ...methods.filter(({ isChannel }) => isChannel === true),
].map(({ id }) => id)
