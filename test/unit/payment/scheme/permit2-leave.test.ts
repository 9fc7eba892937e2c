/** Of payments that have planned the same leave, one is signed. */
import { describe, expect, it } from 'vitest'
import { findAsset } from '../../../../src/chain/networks.ts'
import type { AttemptRow } from '../../../../src/ledger/entry.ts'
import type { SchemeWorld, SigningPlan } from '../../../../src/payment/scheme/scheme.ts'
import { assertOnlyLeave } from '../../../../src/payment/scheme/permit2-leave.ts'

const network = 'eip155:84532'
const asset = findAsset(network, '0x036CbD53842c5426634e7929541eC2318f3dCF7e')
const payer = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const plan = { attemptId: 'pay_5', agreed: { asset }, particulars: { leave_nonce: '7' } } as unknown as SigningPlan

const open = (id: string) => ({ id, payment: { proof: 'permit2-exact', network, asset: asset?.address, payer } }) as unknown as AttemptRow

/** A world whose books say at each look what comes next, the last for ever, and whose token counts so many leaves. */
function worldOf(looks: readonly (readonly string[])[], leaves: bigint) {
  let look = 0
  let now = 0
  const world = {
    clock: { now: () => now, sleep: async (ms: number) => void (now += ms) },
    wallet: { address: payer },
    ledger: { attempts: { list: async () => (looks[Math.min(look++, looks.length - 1)] ?? []).map(open) } },
    chainOf: () => ({ leaveNonce: async () => leaves }),
  }
  return world as unknown as SchemeWorld
}

describe('a leave that is about to be signed', () => {
  it.each<[string, readonly (readonly string[])[], bigint, boolean]>([
    ['is signed when nobody else has one', [['pay_5']], 7n, true],
    ['gives way to a payment before it', [['pay_4', 'pay_5']], 7n, false],
    ['waits for one after it, which may be signed already, and is signed when that gave way', [['pay_5', 'pay_6'], ['pay_5']], 7n, true],
    ['gives way when the one after it was paid meanwhile', [['pay_5', 'pay_6'], ['pay_5']], 8n, false],
    ['gives way when one was paid between its plan and its being written down', [['pay_5']], 8n, false],
    ['gives way when the one after it stays open', [['pay_5', 'pay_6']], 7n, false],
    [
      'gives way to one before it that comes while it waits',
      [
        ['pay_5', 'pay_6'],
        ['pay_4', 'pay_5', 'pay_6'],
      ],
      7n,
      false,
    ],
  ])('%s', async (_, looks, leaves, isSigned) => {
    const asked = assertOnlyLeave(plan, worldOf(looks, leaves))
    if (isSigned) await expect(asked).resolves.toBeUndefined()
    else await expect(asked).rejects.toMatchObject({ code: 'overloaded' })
  })
})
