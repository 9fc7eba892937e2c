/** Every offer a cheating or broken seller can make is refused before anything is signed, with the code that says why. */
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { parseUsd } from '../../../src/money.ts'
import { agree, judge, type Agreement } from '../../../src/payment/terms.ts'
import type { Terms } from '../../../src/payment/challenge/challenge.ts'
import { exact } from '../../../src/payment/scheme/exact.ts'
import type { Scheme } from '../../../src/payment/scheme/scheme.ts'
import { x402V2 } from '../../../src/payment/challenge/x402-v2.ts'

const USDC = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
const PAYEE = '0x209693Bc6afc0C5328bA36FaF03C514EF312287C'
const PAYER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

const agreement: Agreement = {
  manifest: {
    payTo: PAYEE,
    networks: ['eip155:84532'],
    assets: ['USDC'],
    schemes: ['exact'],
    maxPriceSlackPermille: 1050n,
  },
  networks: ['eip155:84532'],
  schemes: [exact],
  payer: PAYER,
  heldUsd: parseUsd('0.01'),
  capUsd: parseUsd('0.05'),
  now: 1_800_000_000_000,
  bodyDigest: 'ours',
}

const good: Terms = {
  format: 'x402-v2',
  scheme: 'exact',
  network: 'eip155:84532',
  asset: USDC,
  amount: '1000',
  payTo: PAYEE,
  maxTimeoutSeconds: 60,
  domain: { name: 'USDC', version: '2' },
  transferMethod: 'eip3009',
  paymentFlow: 'authorization',
  raw: {},
}

describe('agree', () => {
  it('accepts what was agreed, with or without the domain, in any spelling of the addresses', async () => {
    expect(await agree([good], agreement)).toMatchObject({ amount: 1000n, amountUsd: parseUsd('0.001'), payTo: PAYEE })
    expect(await agree([{ ...good, domain: {} }], agreement)).toMatchObject({ amount: 1000n })
    expect(await agree([{ ...good, payTo: PAYEE.toLowerCase(), asset: USDC.toLowerCase() }], agreement)).toMatchObject({ payTo: PAYEE })
  })

  it('refuses a token that we know and the manifest does not name', async () => {
    const manifest = { ...agreement.manifest, assets: ['EURC'] }
    await expect(agree([good], { ...agreement, manifest })).rejects.toMatchObject({
      code: 'unknown_asset',
      message: 'asset USDC is not in the manifest',
    })
  })

  it.each<[string, Partial<Terms>, string]>([
    ['an unknown scheme', { scheme: 'evil' }, 'unsupported_scheme'],
    ['a transfer method we do not sign', { transferMethod: 'permit2' }, 'unsupported_scheme'],
    ['payment before service', { paymentFlow: 'upfront' }, 'unsupported_scheme'],
    ['an asset that is not in our table', { asset: '0x000000000000000000000000000000000000dEaD' }, 'unknown_asset'],
    ['a token address of another chain', { asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' }, 'unknown_asset'],
    ['text for an asset', { asset: '0xother' }, 'unknown_asset'],
    [
      'mainnet when the wallet is on testnet',
      { network: 'eip155:8453', asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' },
      'unknown_network',
    ],
    [
      'Solana by a signature of the EVM',
      { network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', asset: '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU' },
      'unsupported_scheme',
    ],
    ['another token name for the same contract', { domain: { name: 'Dai', version: '2' } }, 'bad_challenge'],
    ['another domain version', { domain: { name: 'USDC', version: '1' } }, 'bad_challenge'],
    ['the zero address', { payTo: '0x0000000000000000000000000000000000000000' }, 'bad_payee'],
    ['our own wallet', { payTo: PAYER }, 'bad_payee'],
    ['a broken checksum', { payTo: '0x209693bC6afc0C5328bA36FaF03C514EF312287C' }, 'bad_payee'],
    ['text for a payee', { payTo: 'alice.eth' }, 'bad_payee'],
    ['a payee that is not the manifest’s', { payTo: '0x1111111111111111111111111111111111111111' }, 'payee_mismatch'],
    ['a dead offer', { maxTimeoutSeconds: 0 }, 'challenge_expired'],
    ['an offer that died before', { maxTimeoutSeconds: -5 }, 'challenge_expired'],
    ['half a second', { maxTimeoutSeconds: 0.5 }, 'bad_challenge'],
    ['an end that is over', { expiresAt: 1_800_000_000_000 }, 'challenge_expired'],
    ['a body that is not ours', { bodyDigest: 'theirs' }, 'bad_challenge'],
    ['decimals that are not the token’s', { decimals: 18 }, 'bad_challenge'],
    ['a negative amount', { amount: '-1' }, 'bad_challenge'],
    ['an exponent', { amount: '1e6' }, 'bad_challenge'],
    ['a fraction', { amount: '1000.5' }, 'bad_challenge'],
    ['a hex amount', { amount: '0x3e8' }, 'bad_challenge'],
    ['an empty amount', { amount: '' }, 'bad_challenge'],
    ['a padded amount', { amount: ' 7 ' }, 'bad_challenge'],
    ['an amount of zero', { amount: '0' }, 'bad_challenge'],
    ['an amount beyond uint256', { amount: (2n ** 256n).toString() }, 'bad_challenge'],
    ['a hundred times the quote', { amount: '1000000' }, 'price_above_cap'],
    ['a little above the quote, below the cap', { amount: '10001' }, 'price_mismatch'],
  ])('refuses %s', async (_title, change, code) => {
    await expect(agree([{ ...good, ...change }], agreement)).rejects.toMatchObject({ code, money: 'untouched' })
  })

  it('picks the honest offer among cheating ones, wherever it stands', async () => {
    const cheats: Terms[] = [
      { ...good, payTo: '0x1111111111111111111111111111111111111111' },
      { ...good, amount: '999999999' },
      { ...good, scheme: 'evil' },
    ]
    for (const at of [0, 1, 2, 3]) expect(await agree(cheats.toSpliced(at, 0, good), agreement)).toMatchObject({ amount: 1000n })
  })

  it('says the refusal that got furthest', async () => {
    const offers = [
      { ...good, scheme: 'evil' },
      { ...good, amount: '10001' },
    ]
    await expect(agree(offers, agreement)).rejects.toMatchObject({ code: 'price_mismatch' })
  })

  it('refuses a challenge without offers', async () => {
    await expect(agree([], agreement)).rejects.toMatchObject({ code: 'bad_challenge' })
  })

  it('takes the offer of fewest transactions, then of least money, then the first; the user may say otherwise', async () => {
    const [free, dear]: Scheme[] = [
      { ...exact, id: 'free', transactionsPerThousandCalls: 0 },
      { ...exact, id: 'dear', transactionsPerThousandCalls: 1_000 },
    ]
    const ids = ['exact', 'free', 'dear']
    const wide = { ...agreement, schemes: [exact, free, dear] as Scheme[], manifest: { ...agreement.manifest, schemes: ids } }
    const offers = [
      { ...good, amount: '999', scheme: 'dear' },
      { ...good, amount: '999' },
      { ...good, scheme: 'free' },
    ]
    const chosen = async (allowed?: readonly string[]) =>
      (await agree(offers, allowed === undefined ? wide : { ...wide, allowed })).scheme.id
    expect(await chosen()).toBe('free')
    expect(await chosen(['exact', 'free'])).toBe('exact')
    expect(await chosen(['dear'])).toBe('dear')
    const [cheaper] = [
      await agree(
        [
          { ...good, amount: '1000' },
          { ...good, amount: '999' },
        ],
        agreement,
      ),
    ]
    expect(cheaper?.amount).toBe(999n)
    await expect(agree([good], { ...agreement, allowed: ['free'] })).rejects.toMatchObject({ code: 'unsupported_scheme' })
  })

  it('never agrees to more than is held or capped, whatever the amount', async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 0n, max: 2n ** 260n }), fc.bigInt({ min: 0n, max: 10n ** 18n }), async (amount, held) => {
        const verdict = await judge({ ...good, amount: amount.toString() }, { ...agreement, heldUsd: held as Agreement['heldUsd'] })
        if ('amountUsd' in verdict) expect(verdict.amountUsd <= held && verdict.amountUsd <= agreement.capUsd).toBe(true)
      }),
    )
  })
})

describe('x402 version 2 on the wire', () => {
  const requirement = {
    scheme: 'exact',
    network: 'eip155:84532',
    amount: '1000',
    asset: USDC,
    payTo: PAYEE,
    maxTimeoutSeconds: 60,
    extra: { name: 'USDC', version: '2' },
  }
  const challenge = (accepts: unknown) => ({ x402Version: 2, resource: { url: 'http://provider.test/v1/chat/completions' }, accepts })
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
  const read = (header: string) => x402V2.read({ headers: { 'payment-required': header } }, '')

  it('reads offers and keeps what must be echoed', () => {
    const found = read(encode(challenge([requirement])))
    expect(found?.terms).toMatchObject([{ ...good, raw: requirement }])
  })

  it('is not concerned with a 402 of another format', () => {
    expect(x402V2.read({ headers: {} }, '{}')).toBeUndefined()
  })

  it.each<[string, string]>([
    ['not base64', '%%%'],
    ['not JSON', Buffer.from('{').toString('base64')],
    ['nested 5,000 deep', Buffer.from('['.repeat(5000)).toString('base64')],
    ['not an object', encode(7)],
    ['another version', encode({ ...challenge([requirement]), x402Version: 3 })],
    ['accepts missing', encode({ x402Version: 2, resource: { url: 'http://a' } })],
    ['an amount that is a number', encode(challenge([{ ...requirement, amount: 1000 }]))],
    ['a timeout that is text', encode(challenge([{ ...requirement, maxTimeoutSeconds: '60' }]))],
    ['nine offers', encode(challenge(Array.from({ length: 9 }, () => ({ ...requirement, extra: undefined }))))],
    ['ten thousand offers', encode(challenge(Array.from({ length: 10_000 }, () => requirement)))],
  ])('refuses a header that is %s', (_title, header) => {
    expect(() => read(header)).toThrow(expect.objectContaining({ code: 'bad_challenge' }))
  })

  it('answers any header with terms or bad_challenge, never another failure', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.json().map((text) => Buffer.from(text).toString('base64')),
        ),
        (header) => {
          try {
            read(header)
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad_challenge' })
          }
        },
      ),
    )
  })

  it('reads what a seller says of settlement, and never fails on it', () => {
    const claim = (value: unknown) =>
      x402V2.readClaim({ headers: { 'payment-response': typeof value === 'string' ? value : encode(value) } })
    const transaction = `0x${'ab'.repeat(32)}`
    expect(claim({ success: true, transaction, network: 'eip155:84532' })).toEqual({ success: true, transaction })
    expect(claim({ success: false, errorReason: 'settlement_pending', transaction: '' })).toEqual({
      success: false,
      errorReason: 'settlement_pending',
    })
    expect(claim('%%%')).toBe('invalid')
    expect(claim({ ok: 1 })).toBe('invalid')
    expect(x402V2.readClaim({ headers: {} })).toBeUndefined()
  })
})
