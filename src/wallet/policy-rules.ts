/** What every signature is judged by, whatever it is of: network and token of our own table, payee, value, life time, and a nonce that stands for one message. */
import { findAsset, findNetwork } from '../chain/networks.ts'
import type { AssetRow } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { EvmTransaction, SigningGrant, TransferAuthorization } from './wallet.ts'

/** Why a signature was refused; in `details.rule` of `policy_refused`. */
export const policyRules = [
  'network_unknown',
  'network_not_allowed',
  'asset_unknown',
  'asset_not_signable',
  'payee_malformed',
  'payee_not_granted',
  'payee_zero',
  'payee_self',
  'payee_token',
  'value_not_positive',
  'value_above_grant',
  'fee_above_grant',
  'nonce_malformed',
  'nonce_reused',
  'already_expired',
  'valid_too_long',
  'not_yet_valid',
  'facilitator_malformed',
  'message_malformed',
  'message_differs',
] as const
export type PolicyRule = (typeof policyRules)[number]

/** The longest an authorization may live, whatever was asked: a payee cannot keep it and cash it next year. */
export const MAX_VALIDITY_SECONDS = 300n

/** How long after an authorization's end its nonce is still remembered; on no chain can it be cashed by then. */
const MEMORY_SECONDS = 86_400n

export const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const NONCE = /^0x[0-9a-fA-F]{64}$/
export const ZERO_ADDRESS = `0x${'0'.repeat(40)}`

/** What one wallet judges by: its clock, the real networks it may sign for, and what it has signed. */
export type Judge = { readonly clock: Clock; readonly mainnets: readonly string[]; readonly signed: Signed }

/** What every payment has, whatever it is signed as. */
export type Judged = Omit<TransferAuthorization, 'nonce'>

/** Network, token, payee, value and life time, in this order; what is over is forgotten on the way. */
export function judge(
  asked: Judged,
  { grant, payer }: { readonly grant: SigningGrant; readonly payer: `0x${string}` },
  methods: readonly AssetRow['transferMethod'][],
  by: Judge,
): AssetRow {
  const row = requireSignableAsset(asked, by.mainnets, methods)
  checkPayee(asked.to, grant, payer, row)
  checkValue(asked.value, grant)
  checkTimes(asked, by)
  return row
}

/** @throws RouteplaneError `policy_refused` for a channel of somebody else. */
export function checkOwner(channel: { readonly payer: string }, payer: string): void {
  if (channel.payer.toLowerCase() !== payer.toLowerCase()) throw refusal('payee_not_granted', 'the channel is not of this wallet')
}

export function checkFee(
  { gas, maxFeePerGas }: Pick<EvmTransaction, 'gas' | 'maxFeePerGas'>,
  { maxFee }: { readonly maxFee: bigint },
): void {
  if (gas < 0n || maxFeePerGas < 0n || gas * maxFeePerGas > maxFee)
    throw refusal('fee_above_grant', 'the fee of the network may be above what was agreed')
}

export function requireSignableAsset(
  authorization: Pick<Judged, 'network' | 'asset'>,
  mainnets: readonly string[],
  methods: readonly AssetRow['transferMethod'][],
): AssetRow {
  const network = findNetwork(authorization.network)
  if (network === undefined) throw refusal('network_unknown', 'the network is not in our table')
  if (!network.testnet && !mainnets.includes(network.network)) {
    throw refusal('network_not_allowed', `${network.chainName} is real money, which this wallet is not configured for`)
  }
  const row = findAsset(authorization.network, authorization.asset)
  if (row === undefined) throw refusal('asset_unknown', `the token is not in our table for ${network.chainName}`)
  if (!methods.includes(row.transferMethod)) {
    throw refusal('asset_not_signable', `${row.symbol} on ${network.chainName} is not paid by ${methods.join(' or ')}`)
  }
  return row
}

function checkPayee(to: string, grant: SigningGrant, payer: string, row: AssetRow): void {
  if (!ADDRESS.test(to)) throw refusal('payee_malformed', 'the payee is not an address')
  const payee = to.toLowerCase()
  if (payee !== grant.payee.toLowerCase()) throw refusal('payee_not_granted', 'the payee is not the one that was agreed')
  if (payee === ZERO_ADDRESS) throw refusal('payee_zero', 'the payee is the zero address')
  if (payee === payer.toLowerCase()) throw refusal('payee_self', 'the payee is this wallet')
  if (payee === row.address.toLowerCase()) throw refusal('payee_token', 'the payee is the token itself')
}

export function checkValue(value: bigint, grant: Pick<SigningGrant, 'maxValue'>): void {
  if (typeof value !== 'bigint' || value <= 0n) throw refusal('value_not_positive', 'the amount is not above zero')
  if (value > grant.maxValue) throw refusal('value_above_grant', 'the amount is above what was agreed')
}

/** Also forgets what is over. */
export function checkTimes(authorization: Pick<Judged, 'validAfterSeconds' | 'validBeforeSeconds'>, { clock, signed }: Judge): void {
  const nowSeconds = BigInt(Math.floor(clock.now() / 1000))
  if (authorization.validBeforeSeconds <= nowSeconds) throw refusal('already_expired', 'the authorization would be dead already')
  if (authorization.validBeforeSeconds > nowSeconds + MAX_VALIDITY_SECONDS) {
    throw refusal('valid_too_long', `the authorization would live longer than ${MAX_VALIDITY_SECONDS} seconds`)
  }
  if (authorization.validAfterSeconds > nowSeconds) throw refusal('not_yet_valid', 'the authorization would not be valid yet')
  if (authorization.validAfterSeconds < 0n) throw refusal('not_yet_valid', 'the beginning of the authorization is below zero')
  forgetDead(signed, nowSeconds)
}

export type Signed = Map<string, { readonly message: string; readonly place: string; readonly validBefore: bigint }>

/** What a nonce is claimed for, besides what every authorization has. */
type Claim = { readonly kind: string; readonly detail?: string; readonly grant?: SigningGrant }

/**
 * The same message may be signed again, which gives nobody anything new; another one under its nonce only where the grant says
 * so, and then in the same token and to the same payee: the chain takes one of them.
 */
export function claimNonce(signed: Signed, authorization: TransferAuthorization, { kind, detail = '', grant }: Claim): void {
  if (!NONCE.test(authorization.nonce)) throw refusal('nonce_malformed', 'the nonce is not 32 bytes')
  const nonce = authorization.nonce.toLowerCase()
  const { network, asset, to, value, validAfterSeconds, validBeforeSeconds } = authorization
  const place = [kind, network, asset, to].join(' ').toLowerCase()
  const message = [place, detail, value, validAfterSeconds, validBeforeSeconds].join(' ')
  const earlier = signed.get(nonce)
  if (earlier !== undefined && earlier.message !== message && !(grant?.replaces === true && earlier.place === place)) {
    throw refusal('nonce_reused', 'the nonce already stands under another authorization')
  }
  const validBefore = earlier !== undefined && earlier.validBefore > validBeforeSeconds ? earlier.validBefore : validBeforeSeconds
  signed.set(nonce, { message, place, validBefore })
}

/** Entries lie in the order of signing, and all live about equally long: the old ones are in front. */
function forgetDead(signed: Signed, nowSeconds: bigint): void {
  for (const [nonce, entry] of signed) {
    if (entry.validBefore + MEMORY_SECONDS > nowSeconds) return
    signed.delete(nonce)
  }
}

export function refusal(rule: PolicyRule, reason: string): RouteplaneError {
  return new RouteplaneError('policy_refused', `the wallet refused to sign: ${reason}`, { details: { rule } })
}
