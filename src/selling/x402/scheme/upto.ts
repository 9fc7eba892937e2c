/** `upto`: a ceiling is signed, and what was delivered is taken of it. */
import { permitFate, readPermit } from './permit2.ts'
import type { SellingScheme } from './scheme.ts'

export const upto: SellingScheme = {
  id: 'upto',
  charging: 'usage',
  isJudgedFreely: true,
  inV1: false,
  needs: 'facilitatorAddress',
  async open() {
    const { UptoEvmScheme } = await import('@x402/evm/upto/server')
    return new UptoEvmScheme()
  },
  read: (payload) => readPermit(payload, ['to', 'facilitator']),
  fateOf: permitFate,
}
