/** `upto`: a ceiling is signed, and what was delivered is taken of it. */
import { readPermit2 } from './exact.ts'
import type { SellingScheme } from './scheme.ts'

export const upto: SellingScheme = {
  id: 'upto',
  charging: 'usage',
  inV1: false,
  needs: 'facilitatorAddress',
  async open() {
    const { UptoEvmScheme } = await import('@x402/evm/upto/server')
    return new UptoEvmScheme()
  },
  read: readPermit2,
  fateOf: () => Promise.resolve(undefined),
}
