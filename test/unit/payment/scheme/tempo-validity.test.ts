/** How long a transaction on Tempo may live, on networks that are busy, that rest, and that our clock disagrees with. */
import { expect, it } from 'vitest'
import { lastSecondAfter } from '../../../../src/payment/scheme/tempo-validity.ts'

const NOW = 1_795_000_000
const after = (blockSeconds: number) => Number(lastSecondAfter({ timestampSeconds: BigInt(blockSeconds) }, NOW * 1_000 + 999)) - NOW

it.each([
  ['of this second', 0, 25],
  ['ahead of our clock', 40, 65],
  ['behind our clock', -15, 10],
  ['so old that a signature would be dead as good as at once', -16, 25],
  ['of another year', -50_000_000, 25],
])('is counted so that the network takes it and the wallet signs it: newest block %s', (_, block, seconds) => {
  expect(after(NOW + block)).toBe(seconds)
})
