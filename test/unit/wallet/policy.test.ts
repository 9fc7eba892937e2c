import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assets } from '../../../contracts-abi/assets.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { createPolicy } from '../../../src/wallet/policy.ts'
import { MAX_VALIDITY_SECONDS, policyRules } from '../../../src/wallet/policy-rules.ts'
import type { PolicyRule } from '../../../src/wallet/policy-rules.ts'
import type {
  ChannelWithdrawal,
  PermitLeave,
  PermitTransfer,
  SigningGrant,
  TempoReserveCall,
  TransferAuthorization,
} from '../../../src/wallet/wallet.ts'
import { verifies } from '../../support/verifies.ts'

const now = 1_800_000_000n
const clock: Clock = { now: () => Number(now) * 1000 + 999, monotonic: () => 0, sleep: async () => {} }
const payer = '0x2c7536E3605D9C16a7a3D7b1898e529396a65c23'
const payee = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'
const token = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'

const good: TransferAuthorization = {
  network: 'eip155:84532',
  asset: token,
  to: payee,
  value: 1000n,
  validAfterSeconds: 0n,
  validBeforeSeconds: now + 60n,
  nonce: `0x${'ab'.repeat(32)}`,
}
const grant: SigningGrant = { attemptId: 'att_1', payee, maxValue: 1000n }

function ruleOf(change: Partial<TransferAuthorization>, granted: Partial<SigningGrant> = {}, mainnets: readonly string[] = []): unknown {
  try {
    createPolicy({ clock, mainnets }).approve({ ...good, ...change }, { ...grant, ...granted }, payer)
    return 'approved'
  } catch (error) {
    expect(error).toMatchObject({ code: 'policy_refused', money: 'untouched' })
    return (error as { details: { rule: unknown } }).details.rule
  }
}

function permitRuleOf(change: Partial<PermitTransfer> & Pick<PermitTransfer, 'kind'>, granted: Partial<SigningGrant> = {}): unknown {
  try {
    createPolicy({ clock }).approvePermit({ ...good, ...change }, { ...grant, ...granted }, payer)
    return 'approved'
  } catch (error) {
    expect(error).toMatchObject({ code: 'policy_refused', money: 'untouched' })
    return (error as { details: { rule: unknown } }).details.rule
  }
}

const zero = `0x${'0'.repeat(40)}` as const
const refusals: readonly [PolicyRule, Partial<TransferAuthorization>, Partial<SigningGrant>?][] = [
  ['network_unknown', { network: 'eip155:31337' }],
  ['network_unknown', { network: 'base-sepolia' }],
  ['network_not_allowed', { network: 'eip155:8453', asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' }],
  ['asset_unknown', { asset: '0x000000000000000000000000000000000000dEaD' }],
  ['asset_unknown', { asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' }],
  ['asset_not_signable', { network: 'eip155:31611', asset: '0x118917a40FAF1CD7a13dB0Ef56C86De7973Ac503' }],
  ['payee_malformed', { to: '0x209693' }],
  ['payee_not_granted', { to: '0x1111111111111111111111111111111111111111' }],
  ['payee_zero', { to: zero }, { payee: zero }],
  ['payee_self', { to: payer }, { payee: payer }],
  ['payee_self', { to: payer.toLowerCase() as `0x${string}` }, { payee: payer }],
  ['payee_token', { to: token }, { payee: token }],
  ['value_not_positive', { value: 0n }],
  ['value_not_positive', { value: -1n }],
  ['value_not_positive', { value: Number.NaN as unknown as bigint }],
  ['value_above_grant', { value: 1001n }],
  ['nonce_malformed', { nonce: '0xabcd' }],
  ['nonce_malformed', { nonce: `0x${'ab'.repeat(33)}` }],
  ['already_expired', { validBeforeSeconds: now }],
  ['already_expired', { validBeforeSeconds: -1n }],
  ['valid_too_long', { validBeforeSeconds: now + MAX_VALIDITY_SECONDS + 1n }],
  ['valid_too_long', { validBeforeSeconds: 2n ** 256n - 1n }],
  ['not_yet_valid', { validAfterSeconds: now + 1n }],
  ['not_yet_valid', { validAfterSeconds: -1n }],
]

describe('the wallet policy', () => {
  it.each(refusals)('refuses by %s: %o', (rule, change, granted) => {
    expect(ruleOf(change, granted)).toBe(rule)
  })

  it('has a refusal above for every rule, and below or beside it for those of permits, fees and messages', () => {
    const elsewhere = ['nonce_reused', 'facilitator_malformed', 'fee_above_grant', 'message_malformed', 'message_differs']
    expect(new Set([...refusals.map(([rule]) => rule), ...elsewhere])).toEqual(new Set(policyRules))
  })

  it.each(refusals.filter(([rule]) => rule !== 'asset_not_signable'))('refuses a permit by %s too: %o', (rule, change, granted) => {
    expect(permitRuleOf({ kind: 'exact', ...change }, granted)).toBe(rule)
  })

  it.each<[string, Pick<PermitTransfer, 'kind' | 'facilitator'>]>([
    ['facilitator_malformed', { kind: 'upto' }],
    ['facilitator_malformed', { kind: 'upto', facilitator: '0x12' }],
    ['facilitator_malformed', { kind: 'upto', facilitator: zero }],
    ['facilitator_malformed', { kind: 'exact', facilitator: payee }],
    ['approved', { kind: 'upto', facilitator: payee }],
    ['approved', { kind: 'exact' }],
  ])('is %s for a permit of %o', (rule, change) => {
    expect(permitRuleOf(change)).toBe(rule)
  })

  it('takes a token without EIP-3009 for a permit, and a nonce for one kind and facilitator only', () => {
    const permit = { kind: 'exact', network: 'eip155:31611', asset: '0x118917a40FAF1CD7a13dB0Ef56C86De7973Ac503' } as const
    expect(permitRuleOf(permit)).toBe('approved')
    const policy = createPolicy({ clock })
    policy.approvePermit({ ...good, kind: 'exact' }, grant, payer)
    policy.approvePermit({ ...good, kind: 'exact' }, grant, payer)
    const reused = expect.objectContaining({ details: { rule: 'nonce_reused' } })
    expect(() => policy.approvePermit({ ...good, kind: 'upto', facilitator: payee }, grant, payer)).toThrow(reused)
    expect(() => policy.approve(good, grant, payer)).toThrow(reused)
  })

  it('agrees up to the last unit and the last second', () => {
    expect(ruleOf({})).toBe('approved')
    expect(ruleOf({ validBeforeSeconds: now + MAX_VALIDITY_SECONDS, validAfterSeconds: now })).toBe('approved')
    expect(ruleOf({ validBeforeSeconds: now + 1n, value: 1n })).toBe('approved')
  })

  it('signs real money only where it is configured', () => {
    const real = assets.filter((row) => !row.testnet && row.transferMethod === 'eip3009')
    expect(real.length).toBeGreaterThan(5)
    for (const row of real) {
      const change = { network: row.network, asset: row.address }
      expect(ruleOf(change)).toBe('network_not_allowed')
      expect(ruleOf(change, {}, [row.network])).toBe('approved')
      expect(ruleOf(change, {}, ['eip155:8453', 'eip155:4217'])).toBe(row.network === 'eip155:8453' ? 'approved' : 'network_not_allowed')
    }
  })

  it('never agrees to anything outside the grant, whatever is asked', () => {
    verifies('card.pay.payee')
    const address = fc.oneof(
      fc.constantFrom(payee, payer, token, zero),
      fc.stringMatching(/^0x[0-9a-f]{40}$/),
    ) as fc.Arbitrary<`0x${string}`>
    const seconds = fc.oneof(fc.bigInt(now - 400n, now + 400n), fc.bigInt(-(2n ** 64n), 2n ** 64n))
    const authorization = fc.record({
      network: fc.constantFrom('eip155:84532', 'eip155:8453', 'eip155:31611', 'eip155:1', ''),
      asset: fc.constantFrom(...assets.map((row) => row.address)),
      to: address,
      value: fc.oneof(fc.bigInt(-3n, 12n), fc.bigInt()),
      validAfterSeconds: seconds,
      validBeforeSeconds: seconds,
      nonce: fc.stringMatching(/^0x[0-9a-f]{62,66}$/) as fc.Arbitrary<`0x${string}`>,
    })
    fc.assert(
      fc.property(authorization, fc.record({ attemptId: fc.string(), payee: address, maxValue: fc.bigInt(0n, 12n) }), (asked, granted) => {
        let row
        try {
          row = createPolicy({ clock }).approve(asked, granted, payer)
        } catch {
          return
        }
        expect(row).toMatchObject({ network: asked.network, address: asked.asset, testnet: true, transferMethod: 'eip3009' })
        expect(asked.to.toLowerCase()).toBe(granted.payee.toLowerCase())
        expect([zero, payer.toLowerCase(), asked.asset.toLowerCase()]).not.toContain(asked.to.toLowerCase())
        expect(asked.value > 0n && asked.value <= granted.maxValue).toBe(true)
        expect(asked.validBeforeSeconds > now && asked.validBeforeSeconds <= now + 300n && asked.validAfterSeconds <= now).toBe(true)
        expect(asked.nonce).toHaveLength(66)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('nonces', () => {
  it('may say the same thing twice and never another', () => {
    const changes: readonly Partial<TransferAuthorization>[] = [
      { value: 999n },
      { validBeforeSeconds: now + 61n },
      { validAfterSeconds: 1n },
      { nonce: `0x${'AB'.repeat(32)}`, value: 1n },
    ]
    const policy = createPolicy({ clock })
    policy.approve(good, grant, payer)
    expect(() => policy.approve(good, grant, payer)).not.toThrow()
    for (const change of changes) {
      expect(() => policy.approve({ ...good, ...change }, grant, payer)).toThrow(
        expect.objectContaining({ details: { rule: 'nonce_reused' } }),
      )
    }
    const other = '0x1111111111111111111111111111111111111111'
    expect(() => policy.approve({ ...good, to: other }, { ...grant, payee: other }, payer)).toThrow(
      expect.objectContaining({ details: { rule: 'nonce_reused' } }),
    )
  })

  it('are not used up by a refusal', () => {
    const policy = createPolicy({ clock })
    expect(() => policy.approve({ ...good, value: 5000n }, grant, payer)).toThrow()
    expect(() => policy.approve(good, grant, payer)).not.toThrow()
  })

  it('are remembered past the end of what they stand under', () => {
    let seconds = now
    const policy = createPolicy({ clock: { ...clock, now: () => Number(seconds) * 1000 } })
    policy.approve(good, grant, payer)
    seconds = now + 3600n
    const later = { ...good, validBeforeSeconds: seconds + 60n }
    expect(() => policy.approve(later, grant, payer)).toThrow(expect.objectContaining({ details: { rule: 'nonce_reused' } }))
  })
})

const tempoDollar = '0x20C0000000000000000000000000000000000000'
const fees = { gas: 100_000n, maxFeePerGas: 2_000_000_000n }
const withdrawal: ChannelWithdrawal = {
  ...{ network: 'eip155:84532', nonce: 1, ...fees, maxPriorityFeePerGas: 1n, step: 'begin', amount: 5n },
  channel: {
    ...{ payer, payerAuthorizer: payee, receiver: payee, receiverAuthorizer: payee, token },
    ...{ withdrawDelay: 900, salt: `0x${'01'.repeat(32)}` },
  },
}
const reserveCall: TempoReserveCall = {
  ...{ network: 'eip155:42431', asset: tempoDollar, ...fees, sponsored: false, validBeforeSeconds: now + 25n },
  ...{ step: 'topUp', value: 1000n, nonce: `0x${'cd'.repeat(32)}` },
  channel: {
    ...{ payer, payee, operator: zero, token: tempoDollar, authorizedSigner: payee },
    ...{ salt: `0x${'01'.repeat(32)}`, expiringNonceHash: `0x${'02'.repeat(32)}` },
  },
}
const reserveGrant = { ...grant, maxFee: 200n }

function ruleOfRun(run: () => unknown): unknown {
  try {
    run()
    return 'approved'
  } catch (error) {
    expect(error).toMatchObject({ code: 'policy_refused', money: 'untouched' })
    return (error as { details: { rule: unknown } }).details.rule
  }
}

describe('the wallet policy, of a leave for Permit2', () => {
  const leave: PermitLeave = { network: 'eip155:84532', asset: token, value: 1000n, nonce: 0n, validBeforeSeconds: now + 60n }

  it.each<[PolicyRule | 'approved', Partial<PermitLeave>]>([
    ['approved', {}],
    ['value_above_grant', { value: 1001n }],
    ['value_above_grant', { value: 2n ** 256n - 1n }],
    ['value_not_positive', { value: 0n }],
    ['valid_too_long', { validBeforeSeconds: now + MAX_VALIDITY_SECONDS + 1n }],
    ['already_expired', { validBeforeSeconds: now }],
    ['asset_unknown', { asset: payee }],
    ['asset_not_signable', { network: 'eip155:31611', asset: '0x118917a40FAF1CD7a13dB0Ef56C86De7973Ac503' }],
    ['network_not_allowed', { network: 'eip155:8453', asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' }],
  ])('is %s for one that differs by %o', (rule, change) => {
    expect(ruleOfRun(() => createPolicy({ clock }).approveLeave({ ...leave, ...change }, { maxValue: 1000n }))).toBe(rule)
  })
})

describe('the wallet policy, of a channel that is open', () => {
  it.each<[PolicyRule | 'approved', Partial<ChannelWithdrawal>]>([
    ['approved', {}],
    ['approved', { step: 'finish' }],
    ['payee_not_granted', { channel: { ...withdrawal.channel, payer: payee } }],
    ['asset_unknown', { channel: { ...withdrawal.channel, token: payee } }],
    ['network_not_allowed', { network: 'eip155:8453' }],
    ['fee_above_grant', { gas: 100_001n }],
    ['fee_above_grant', { gas: -1n }],
  ])('is %s for a withdrawal that differs by %o', (rule, change) => {
    const grantOf = { maxFee: fees.gas * fees.maxFeePerGas }
    expect(ruleOfRun(() => createPolicy({ clock }).approveWithdrawal({ ...withdrawal, ...change }, grantOf, payer))).toBe(rule)
  })

  it.each<[PolicyRule | 'approved', Partial<TempoReserveCall>]>([
    ['approved', {}],
    ['approved', { step: 'requestClose', value: 0n }],
    ['approved', { step: 'withdraw', value: 0n }],
    ['value_above_grant', { step: 'withdraw', value: 1n }],
    ['value_above_grant', { value: 1001n }],
    ['value_not_positive', { value: 0n }],
    ['payee_not_granted', { channel: { ...reserveCall.channel, payer: payee } }],
    ['payee_not_granted', { channel: { ...reserveCall.channel, payee: '0x1111111111111111111111111111111111111111' } }],
    ['asset_unknown', { channel: { ...reserveCall.channel, token } }],
    ['asset_unknown', { asset: token, channel: { ...reserveCall.channel, token } }],
    ['asset_not_signable', { network: 'eip155:84532', asset: token, channel: { ...reserveCall.channel, token } }],
    ['valid_too_long', { validBeforeSeconds: now + 301n }],
    ['already_expired', { step: 'withdraw', value: 0n, validBeforeSeconds: now }],
    ['fee_above_grant', { gas: 100_001n }],
    ['fee_above_grant', { step: 'requestClose', value: 0n, maxFeePerGas: 2_000_010_000n }],
  ])('is %s for a call on a reserve that differs by %o', (rule, change) => {
    expect(ruleOfRun(() => createPolicy({ clock }).approveReserve({ ...reserveCall, ...change }, reserveGrant, payer))).toBe(rule)
  })

  it('signs a call on a reserve again, and no other under its name', () => {
    const policy = createPolicy({ clock })
    policy.approveReserve(reserveCall, reserveGrant, payer)
    policy.approveReserve(reserveCall, reserveGrant, payer)
    for (const change of [{ value: 999n }, { validBeforeSeconds: now + 24n }, { step: 'withdraw', value: 0n } as const])
      expect(ruleOfRun(() => policy.approveReserve({ ...reserveCall, ...change }, reserveGrant, payer))).toBe('nonce_reused')
  })
})
