/** Judges a seller's terms against what was agreed before the call: payee, network, asset, amount, method, time. */
import { checksumAddress, hasChecksum } from '../chain/checksum.ts'
import { findNetwork, findToken, isSolana, type AssetRow, type TokenRow } from '../chain/networks.ts'
import { isSolanaAddress } from '../chain/solana/address.ts'
import { RouteplaneError, type ErrorCode } from '../errors.ts'
import { formatUsd, fromAtomic, parseAtomic, type Atomic, type Usd } from '../money.ts'
import type { X402Terms } from '../registry/endpoint.ts'
import type { Terms } from './challenge/challenge.ts'
import type { AnyScheme, Scheme } from './scheme/scheme.ts'

/** What both sides had agreed on before the 402 came: the manifest, our quote, our wallet. */
export type Agreement = {
  readonly manifest: X402Terms
  /** Networks the wallet may pay on. */
  readonly networks: readonly string[]
  /** The schemes we can sign. */
  readonly schemes: readonly AnyScheme[]
  /** The user's own choice of scheme ids, most preferred first; without it every scheme, cheapest first. */
  readonly allowed?: readonly string[]
  readonly payer: `0x${string}`
  /** Who pays on Solana; absent when there is no key for it. */
  readonly solanaPayer?: string
  /** Why nothing is paid on Solana, where it is not. */
  readonly solanaProblem?: string
  /** Reserved for this attempt: our quote with the manifest's slack. */
  readonly heldUsd: Usd
  /** The cap of the whole request. */
  readonly capUsd: Usd
  /** Milliseconds since 1970. */
  readonly now: number
  /** Base64 of the SHA-256 of the body that is being paid for. */
  readonly bodyDigest: string
}

/** Terms that were found acceptable, in our own types and from our own tables. */
export type AgreedTerms<Row extends TokenRow = AssetRow> = {
  readonly terms: Terms
  readonly scheme: Scheme<Row>
  readonly asset: Row
  readonly payTo: Row['address']
  readonly amount: Atomic
  readonly amountUsd: Usd
}

/** Which kind of row a scheme is given is settled by the network: the schemes of either kind match their own networks alone. */
export type AnyAgreed = AgreedTerms<TokenRow>

/** A refusal and how far the judge had come: the furthest one says most about what is wrong. */
export type TermsRefusal = { readonly code: ErrorCode; readonly message: string; readonly depth: number }

const MAX_UINT256 = 2n ** 256n

/**
 * Picks among the acceptable offers: by the user's order of schemes where there is one, else by the fewest transactions a
 * call, then the least that can be taken, then the seller's own order.
 *
 * @throws RouteplaneError with the code of the refusal that got furthest, when none is acceptable. Nothing has been signed.
 */
export async function agree(offers: readonly Terms[], agreement: Agreement): Promise<AnyAgreed> {
  if (offers.length === 0) throw new RouteplaneError('bad_challenge', 'the provider asked for payment without offering a way to pay')
  const refusals: TermsRefusal[] = []
  const agreed: AnyAgreed[] = []
  for (const offer of offers) {
    const verdict = await judge(offer, agreement)
    if ('code' in verdict) refusals.push(verdict)
    else agreed.push(verdict)
  }
  const best = agreed.toSorted((a, b) => compareOffers(a, b, agreement))[0]
  if (best !== undefined) return best
  const worst = refusals.reduce((furthest, refusal) => (refusal.depth > furthest.depth ? refusal : furthest))
  throw new RouteplaneError(worst.code, worst.message, {
    hint: 'Nothing was signed. The next provider is tried if there is one.',
    details: { offers: offers.length, refusals: refusals.map(({ code, message }) => ({ code, message })) },
  })
}

/** Judges one offer; the order of the checks is the depth of the refusal. */
export async function judge(terms: Terms, agreement: Agreement): Promise<AnyAgreed | TermsRefusal> {
  const { manifest } = agreement
  const refuse: Refuse = (depth, code, message) => ({ code, message, depth })

  const named = agreement.schemes.filter(({ id, onSolana = false }) => id === terms.scheme && onSolana === isSolana(terms.network))
  if (named.length === 0) return refuse(1, 'unsupported_scheme', `scheme ${show(terms.scheme)} is not supported`)
  if (agreement.allowed?.includes(terms.scheme) === false)
    return refuse(2, 'unsupported_scheme', `scheme ${show(terms.scheme)} is not in payment.schemes`)
  if (!manifest.schemes.includes(terms.scheme))
    return refuse(2, 'unsupported_scheme', `scheme ${show(terms.scheme)} is not in the manifest`)
  const scheme = named.find((each) => each.matches(terms))
  if (scheme === undefined) return refuse(2, 'unsupported_scheme', `transfer method ${show(terms.transferMethod)} is not supported`)
  if (terms.paymentFlow !== 'authorization')
    return refuse(2, 'unsupported_scheme', `payment flow ${show(terms.paymentFlow)} is not allowed`)
  if (findNetwork(terms.network) === undefined) return refuse(3, 'unknown_network', `network ${show(terms.network)} is not in our table`)
  const asset = findToken(terms.network, terms.asset)
  if (asset === undefined) return refuse(3, 'unknown_asset', `asset ${show(terms.asset)} on ${show(terms.network)} is not in our table`)
  if (!manifest.assets.includes(asset.symbol)) return refuse(3, 'unknown_asset', `asset ${asset.symbol} is not in the manifest`)
  if (!manifest.networks.includes(terms.network)) return refuse(4, 'unknown_network', `network ${terms.network} is not in the manifest`)
  if (!agreement.networks.includes(terms.network)) {
    const why = isSolana(terms.network) ? agreement.solanaProblem : undefined
    return refuse(5, 'unknown_network', why ?? `the wallet does not pay on ${terms.network}`)
  }
  const flaw = flawOf(terms, asset, scheme, agreement)
  if (flaw !== undefined) return refuse(6, 'bad_challenge', flaw)

  const payTo = isSolana(terms.network) ? judgeSolanaPayee(terms, agreement, refuse) : await judgePayee(terms, agreement, refuse)
  if (typeof payTo !== 'string') return payTo
  const refusal = judgeBounds(terms, agreement, refuse)
  if (refusal !== undefined) return refusal
  const sum = judgeAmount(terms, asset, agreement, refuse)
  return 'code' in sum ? sum : { terms, scheme, asset, payTo, ...sum }
}

async function judgePayee(terms: Terms, { manifest, payer }: Agreement, refuse: Refuse): Promise<`0x${string}` | TermsRefusal> {
  const payTo = await readAddress(terms.payTo)
  if (payTo === undefined) return refuse(7, 'bad_payee', `payee ${show(terms.payTo)} is not a valid address`)
  if (sameAddress(payTo, ZERO_ADDRESS)) return refuse(7, 'bad_payee', 'the payee is the zero address')
  if (sameAddress(payTo, payer)) return refuse(7, 'bad_payee', 'the payee is our own wallet')
  if (manifest.payTo === undefined) return refuse(8, 'payee_mismatch', 'the manifest names a payee on Solana only')
  if (!sameAddress(payTo, manifest.payTo)) return refuse(8, 'payee_mismatch', `payee ${payTo} is not the manifest's ${manifest.payTo}`)
  return payTo
}

function judgeSolanaPayee({ payTo }: Terms, { manifest, solanaPayer }: Agreement, refuse: Refuse): string | TermsRefusal {
  if (!isSolanaAddress(payTo)) return refuse(7, 'bad_payee', `payee ${show(payTo)} is not a valid address of Solana`)
  if (payTo === solanaPayer) return refuse(7, 'bad_payee', 'the payee is our own wallet')
  if (manifest.solanaPayTo === undefined) return refuse(8, 'payee_mismatch', 'the manifest names no payee on Solana')
  if (payTo !== manifest.solanaPayTo) return refuse(8, 'payee_mismatch', `payee ${payTo} is not the manifest's ${manifest.solanaPayTo}`)
  return payTo
}

type Refuse = (depth: number, code: ErrorCode, message: string) => TermsRefusal

/** How long the offer holds, and for what. */
function judgeBounds(terms: Terms, agreement: Agreement, refuse: Refuse): TermsRefusal | undefined {
  const { maxTimeoutSeconds, expiresAt = Infinity, bodyDigest = agreement.bodyDigest } = terms
  if (!Number.isInteger(maxTimeoutSeconds)) return refuse(9, 'bad_challenge', 'maxTimeoutSeconds is not a whole number')
  if (maxTimeoutSeconds < 1 || expiresAt < agreement.now + 1_000)
    return refuse(9, 'challenge_expired', 'the offer expires before it could be paid')
  if (bodyDigest !== agreement.bodyDigest) return refuse(9, 'bad_challenge', 'the offer is for another request body')
  return undefined
}

function judgeAmount(
  terms: Terms,
  asset: TokenRow,
  agreement: Agreement,
  refuse: Refuse,
): Pick<AgreedTerms, 'amount' | 'amountUsd'> | TermsRefusal {
  if (terms.decimals !== undefined && terms.decimals !== asset.decimals)
    return refuse(10, 'bad_challenge', `the provider counts ${asset.symbol} with ${terms.decimals} decimals; it has ${asset.decimals}`)
  const amount = readAmount(terms.amount)
  if (amount === undefined)
    return refuse(10, 'bad_challenge', `amount ${show(terms.amount)} is not a whole number of base units above zero`)
  const amountUsd = fromAtomic(amount, asset.decimals, 'up')
  if (amountUsd > agreement.capUsd) {
    return refuse(11, 'price_above_cap', `the provider asks $${formatUsd(amountUsd)}, above the cap of $${formatUsd(agreement.capUsd)}`)
  }
  if (amountUsd > agreement.heldUsd) {
    return refuse(
      11,
      'price_mismatch',
      `the provider asks $${formatUsd(amountUsd)}, above our own bound of $${formatUsd(agreement.heldUsd)}`,
    )
  }
  return { amount, amountUsd }
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`

/** Mixed capitals claim a checksum, and a wrong one is a typing error that would lose the money. */
async function readAddress(text: string): Promise<`0x${string}` | undefined> {
  if (!ADDRESS.test(text)) return undefined
  const address = await checksumAddress(text)
  return hasChecksum(text) && address !== text ? undefined : address
}

function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function readAmount(text: string): Atomic | undefined {
  try {
    const amount = parseAtomic(text)
    return amount > 0n && amount < MAX_UINT256 ? amount : undefined
  } catch {
    return undefined
  }
}

function flawOf(terms: Terms, asset: TokenRow, scheme: AnyScheme, { solanaPayer }: Agreement): string | undefined {
  return (asset.transferMethod === 'spl' ? undefined : domainProblem(terms, asset)) ?? scheme.flaw?.(terms, solanaPayer)
}

/** A seller that names another domain than the token's own makes worthless signatures, or lures one for another token. */
function domainProblem(terms: Terms, asset: AssetRow): string | undefined {
  const { name, version } = terms.domain
  if (name !== undefined && name !== asset.domain.name) return `EIP-712 name ${show(name)} is not the token's ${show(asset.domain.name)}`
  if (version !== undefined && version !== asset.domain.version)
    return `EIP-712 version ${show(version)} is not the token's ${show(asset.domain.version)}`
  return undefined
}

/** Sorting is stable: offers that are equal here stay in the seller's order. */
function compareOffers(a: AnyAgreed, b: AnyAgreed, { allowed, manifest }: Agreement): number {
  const bySetting = allowed === undefined ? 0 : allowed.indexOf(a.scheme.id) - allowed.indexOf(b.scheme.id)
  const byCost = a.scheme.transactionsPerThousandCalls - b.scheme.transactionsPerThousandCalls
  const byExposure = a.amountUsd === b.amountUsd ? 0 : a.amountUsd < b.amountUsd ? -1 : 1
  const byNetwork = manifest.networks.indexOf(a.terms.network) - manifest.networks.indexOf(b.terms.network)
  return bySetting || byCost || byExposure || byNetwork
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
