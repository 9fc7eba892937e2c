/** The Solana wallet signs one agreed transfer and nothing else: whatever the builder made, every byte of it is accounted for. */
import fc from 'fast-check'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { solanaAssets, solanaNetworks, solanaPrograms } from '../../../../contracts-abi/solana.ts'
import { addressBytes, tokenAccountOf } from '../../../../src/chain/solana/address.ts'
import { encodeBase58 } from '../../../../src/lib/base58.ts'
import { RouteplaneError } from '../../../../src/errors.ts'
import { parseSolanaKey, readSolanaKey, SolanaKey } from '../../../../src/wallet/solana/key.ts'
import { createSolanaPolicy } from '../../../../src/wallet/solana/policy.ts'
import type { SolanaGrant, SolanaTransfer } from '../../../../src/wallet/solana/wallet.ts'
import { verifies } from '../../../support/verifies.ts'

const keyOf = (byte: number) => new SolanaKey(new Uint8Array(32).fill(byte))
const [payer, payee, feePayer, stranger] = [keyOf(1).address, keyOf(2).address, keyOf(3).address, keyOf(4).address]
const [mainnet, devnet] = solanaNetworks.map(({ network }) => network)
const mint = solanaAssets.find(({ network }) => network === devnet)?.address ?? ''
const blockhash = keyOf(9).address
const memo = 'abcdef'

type Instruction = { readonly program: string; readonly accounts: readonly string[]; readonly data: Uint8Array }

const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
const budget: readonly Instruction[] = [
  { program: solanaPrograms.computeBudget, accounts: [], data: Uint8Array.of(2, 0x20, 0x4e, 0, 0) },
  { program: solanaPrograms.computeBudget, accounts: [], data: Uint8Array.of(3, ...u64(1n)) },
]
const transferOf = (to: string, amount: bigint, decimals = 6, token = mint): Instruction => ({
  program: solanaPrograms.token,
  accounts: [tokenAccountOf(payer, token), token, tokenAccountOf(to, token), payer],
  data: Uint8Array.of(12, ...u64(amount), decimals),
})
const memoOf = (text: string): Instruction => ({ program: solanaPrograms.memo, accounts: [], data: Buffer.from(text) })
const good = [...budget, transferOf(payee, 1_000n), memoOf(memo)]

/** Compiles a message of version 0, as the network lays it out: writers before readers, programs last. */
function compile(instructions: readonly Instruction[], signers: readonly string[] = [feePayer, payer], version = 0x80): Uint8Array {
  const named = [...new Set(instructions.flatMap(({ accounts }) => accounts))].filter((address) => !signers.includes(address))
  const readers = [...named.filter((address) => address === mint), ...new Set(instructions.map(({ program }) => program))]
  const writers = named.filter((address) => address !== mint)
  const keys = [...signers, ...writers, ...readers]
  const bytesOf = (address: string) => [...(addressBytes(address) ?? [])]
  const body = instructions.flatMap(({ program, accounts, data }) => [
    keys.indexOf(program),
    ...[accounts.length, ...accounts.map((address) => keys.indexOf(address))],
    ...[data.length, ...data],
  ])
  return Uint8Array.from([
    ...[version, signers.length, 1, readers.length, keys.length, ...keys.flatMap(bytesOf)],
    ...[...bytesOf(blockhash), instructions.length, ...body, 0],
  ])
}

const now = 1_800_000_000_000
const base: SolanaTransfer = {
  ...{ network: devnet ?? '', asset: mint, to: payee, value: 1_000n, feePayer, blockhash, memo },
  ...{ validBeforeSeconds: BigInt(now / 1_000) + 150n, message: compile(good) },
}
const granted: SolanaGrant = { attemptId: 'pay_1', payee, maxValue: 1_000n }

function ruleOf(change: Partial<SolanaTransfer>, grant: Partial<SolanaGrant> = {}): unknown {
  const policy = createSolanaPolicy({ clock: { now: () => now } as never })
  try {
    policy.approve({ ...base, ...change }, { ...granted, ...grant }, payer)
    return 'signed'
  } catch (error) {
    return error instanceof RouteplaneError ? error.details.rule : error
  }
}

const refusals: readonly (readonly [string, string, Partial<SolanaTransfer>, Partial<SolanaGrant>?])[] = [
  ['a network nobody knows', 'network_unknown', { network: 'solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z' }],
  ['a network of the EVM', 'network_unknown', { network: 'eip155:84532' }],
  ['real money', 'network_not_allowed', { network: mainnet ?? '' }],
  ['another token', 'asset_unknown', { asset: stranger }],
  ['another payee', 'payee_not_granted', { to: stranger }],
  ['a payee that is no address', 'payee_malformed', { to: '0x209693Bc6afc0C5328bA36FaF03C514EF312287C' }],
  ['itself', 'payee_self', { to: payer }, { payee: payer }],
  ['the mint', 'payee_token', { to: mint }, { payee: mint }],
  ['nothing', 'value_not_positive', { value: 0n }],
  ['more than was agreed', 'value_above_grant', { value: 1_001n }],
  ['a message that lives for ever', 'valid_too_long', { validBeforeSeconds: BigInt(now / 1_000) + 301n }],
  ['a dead message', 'already_expired', { validBeforeSeconds: BigInt(now / 1_000) }],
  ['fees of its own', 'facilitator_malformed', { feePayer: payer }],
  ['half a message', 'message_malformed', { message: base.message.subarray(0, 200) }],
  ['a message with more behind it', 'message_malformed', { message: Uint8Array.from([...base.message, 0]) }],
  ['a message of the old form', 'message_malformed', { message: compile(good, [feePayer, payer], 0x81) }],
  ['another blockhash', 'message_differs', { blockhash: stranger }],
  ['another memo', 'message_differs', { memo: 'other' }],
  ['another fee payer', 'message_differs', { feePayer: stranger }],
  ['a third signer', 'message_differs', { message: compile(good, [feePayer, payer, stranger]) }],
  ['a message that it pays for', 'message_differs', { message: compile(good, [payer, feePayer]) }],
  ['no transfer', 'message_differs', { message: compile([...budget, memoOf(memo)]) }],
  ['a second transfer', 'message_differs', { message: compile([...good, transferOf(payee, 1_000n)]) }],
  ['a transfer to somebody else', 'message_differs', { message: compile([...budget, transferOf(stranger, 1_000n), memoOf(memo)]) }],
  ['a larger amount', 'message_differs', { message: compile([...budget, transferOf(payee, 1_001n), memoOf(memo)]) }],
  ['other decimals', 'message_differs', { message: compile([...budget, transferOf(payee, 1_000n, 9), memoOf(memo)]) }],
  [
    'an approval beside the transfer',
    'message_differs',
    {
      message: compile([...good, { ...transferOf(payee, 1_000n), data: Uint8Array.of(4, ...u64(10n ** 9n)) }]),
    },
  ],
  [
    'an approval in its place',
    'message_differs',
    {
      message: compile([...budget, { ...transferOf(payee, 1_000n), data: Uint8Array.of(13, ...u64(1_000n), 6) }, memoOf(memo)]),
    },
  ],
  [
    'a program of the seller’s',
    'message_differs',
    { message: compile([...good, { program: stranger, accounts: [payer], data: new Uint8Array() }]) },
  ],
  [
    'a transfer of coins',
    'message_differs',
    {
      message: compile([
        ...good,
        { program: solanaPrograms.system, accounts: [payer, stranger], data: Uint8Array.of(2, 0, 0, 0, ...u64(1n)) },
      ]),
    },
  ],
  [
    'an account made at its cost',
    'message_differs',
    {
      message: compile([{ program: solanaPrograms.associatedToken, accounts: [payer, stranger], data: Uint8Array.of(1) }, ...good]),
    },
  ],
  [
    'work without bounds',
    'message_differs',
    {
      message: compile([{ ...good[0], data: Uint8Array.of(2, 0xff, 0xff, 0xff, 0xff) } as Instruction, ...good.slice(1)]),
    },
  ],
]

describe('the policy of the Solana wallet', () => {
  it('signs the agreed transfer', () => {
    verifies('card.wallet.testnet')
    expect(ruleOf({})).toBe('signed')
  })

  it.each(refusals.map(([what, rule, change, grant]) => ({ what, rule, change, grant })))(
    'does not sign $what: $rule',
    ({ rule, change, grant }) => {
      expect(ruleOf(change, grant)).toBe(rule)
    },
  )

  it('signs for an attempt one message alone, however often', () => {
    const policy = createSolanaPolicy({ clock: { now: () => now } as never })
    policy.approve(base, granted, payer)
    policy.approve(base, granted, payer)
    const other = { ...base, memo: 'second', message: compile([...budget, transferOf(payee, 1_000n), memoOf('second')]) }
    expect(() => policy.approve(other, granted, payer)).toThrow(/another message/)
  })

  it('refuses whatever a changed byte makes of the message, but for the price of work and who may write where', () => {
    const at = fc.integer({ min: 0, max: base.message.length - 1 })
    fc.assert(
      fc.property(at, fc.integer({ min: 1, max: 255 }), (place, change) => {
        const message = Uint8Array.from(base.message)
        message[place] = (message[place] ?? 0) ^ change
        const isRight = ruleOf({ message }) === 'signed'
        const [budgetFrom, budgetTo] = [base.message.length - 55, base.message.length]
        expect(!isRight || place < 4 || (place > budgetFrom && place < budgetTo)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a key of Solana', () => {
  const key = keyOf(7)
  const bytes = [...new Uint8Array(32).fill(7), ...(addressBytes(key.address) ?? [])]
  const text = encodeBase58(Uint8Array.from(bytes))

  it.each([
    ['as wallets export it', ` ${text}\n`],
    ['as id.json has it', JSON.stringify(bytes)],
  ])('is read %s, and never printed', (_, written) => {
    const read = readSolanaKey(written)
    expect(read.address).toBe(key.address)
    for (const shown of [String(read), JSON.stringify({ read }), inspect(read, { depth: 9, showHidden: true }), `${read}`])
      expect(shown).not.toContain(text)
  })

  it.each([
    ['an address', key.address],
    ['a key of the EVM', `0x${'11'.repeat(32)}`],
    ['a key whose halves are of two', JSON.stringify([...bytes.slice(0, 32), ...new Uint8Array(32).fill(5)])],
    ['numbers above a byte', JSON.stringify(bytes.map(() => 256))],
    ['a phrase of words', 'legal winner thank year wave sausage worth useful legal winner thank yellow'],
    ['nothing', ''],
  ])('is not made of %s', (_, written) => {
    expect(() => parseSolanaKey(written)).toThrow(expect.objectContaining({ code: 'invalid_key' }))
  })
})
