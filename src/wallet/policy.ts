/** The wallet's own lock: what it will sign, decided from its own table and the grant, whatever the payment code believes. */
import { findAsset, findNetwork } from '../chain/networks.ts'
import type { AssetRow } from '../chain/networks.ts'
import { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type {
  PermitAllowance,
  PermitTransfer,
  SigningGrant,
  TempoOpening,
  TempoTransaction,
  TempoTransfer,
  TransferAuthorization,
} from './wallet.ts'
import { feeUnits } from './tempo-transfer.ts'

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
] as const
export type PolicyRule = (typeof policyRules)[number]

export type PolicyOptions = {
  /** Networks of real money that may be signed for; test networks always may. Without it there are none. */
  readonly mainnets?: readonly string[]
  readonly clock: Clock
}

/** What may become of an allowance: base units of the token, wei of the network's coin. */
type AllowanceGrant = { readonly maxValue: bigint; readonly maxFee: bigint }

export type SigningPolicy = {
  /**
   * Agrees to one authorization and remembers its nonce, or refuses. Synchronous, so that two requests cannot both be
   * the first with a nonce.
   *
   * @returns the row of our own table that must be signed over.
   * @throws {@link RouteplaneError} `policy_refused`
   */
  approve(authorization: TransferAuthorization, grant: SigningGrant, payer: `0x${string}`): AssetRow
  /** The same for a permit: any token of the table that Permit2 can move, and a facilitator exactly where one is due. */
  approvePermit(permit: PermitTransfer, grant: SigningGrant, payer: `0x${string}`): AssetRow
  /** The same for a Tempo transfer, whose memo is its nonce and whose fee is money too. */
  approveTempo(transfer: TempoTransfer, grant: SigningGrant, payer: `0x${string}`): AssetRow
  /** The same for an allowance: a sum, never more than the grant says, of a token that Permit2 can move. */
  approveAllowance(allowance: PermitAllowance, grant: AllowanceGrant): AssetRow
  /** The same for the opening of a channel, whose salt is its nonce. */
  approveOpening(opening: TempoOpening, grant: SigningGrant, payer: `0x${string}`): AssetRow
}

/** The longest an authorization may live, whatever was asked: a payee cannot keep it and cash it next year. */
export const MAX_VALIDITY_SECONDS = 300n

/** How long after an authorization's end its nonce is still remembered; on no chain can it be cashed by then. */
const MEMORY_SECONDS = 86_400n

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const NONCE = /^0x[0-9a-fA-F]{64}$/
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`

export function createPolicy(options: PolicyOptions): SigningPolicy {
  const mainnets = options.mainnets ?? []
  const signed: Signed = new Map()

  function judge(asked: Judged, grant: SigningGrant, payer: `0x${string}`, methods: readonly AssetRow['transferMethod'][]): AssetRow {
    const nowSeconds = BigInt(Math.floor(options.clock.now() / 1000))
    const row = requireSignableAsset(asked, mainnets, methods)
    checkPayee(asked.to, grant, payer, row)
    checkValue(asked.value, grant)
    checkTimes(asked, nowSeconds)
    forgetDead(signed, nowSeconds)
    return row
  }

  function judgeTempo(payment: TempoPayment, grant: SigningGrant, payer: `0x${string}`): AssetRow {
    const row = judge({ ...payment, validAfterSeconds: 0n }, grant, payer, ['tip20'])
    const { sponsored, gas, maxFeePerGas } = payment
    if (gas < 0n || maxFeePerGas < 0n || (!sponsored && feeUnits(payment, row.decimals) > (grant.maxFee ?? 0n)))
      throw refusal('fee_above_grant', 'the fee of the network may be above what was agreed')
    return row
  }

  return {
    approve(authorization, grant, payer) {
      const row = judge(authorization, grant, payer, ['eip3009'])
      claimNonce(signed, authorization, { kind: 'transfer', grant })
      return row
    },
    approvePermit(permit, grant, payer) {
      const row = judge(permit, grant, payer, ['eip3009', 'permit2'])
      checkFacilitator(permit)
      claimNonce(signed, permit, { kind: `permit ${permit.kind}`, detail: permit.facilitator?.toLowerCase() ?? '', grant })
      return row
    },
    approveAllowance(allowance, grant) {
      const row = requireSignableAsset(allowance, mainnets, ['eip3009', 'permit2'])
      if (typeof allowance.value !== 'bigint' || allowance.value < 0n) throw refusal('value_not_positive', 'the sum is below zero')
      if (allowance.value > grant.maxValue) throw refusal('value_above_grant', 'the sum is above what was agreed')
      if (allowance.gas * allowance.maxFeePerGas > grant.maxFee)
        throw refusal('fee_above_grant', 'the fee of the network may be above what was agreed')
      return row
    },
    approveTempo(transfer, grant, payer) {
      const row = judgeTempo(transfer, grant, payer)
      claimNonce(signed, { ...transfer, nonce: transfer.memo, validAfterSeconds: 0n }, { kind: 'tempo', detail: tempoMessageOf(transfer) })
      return row
    },
    approveOpening(opening, grant, payer) {
      const row = judgeTempo(opening, grant, payer)
      const { authorizedSigner, operator } = opening
      if (!ADDRESS.test(authorizedSigner) || authorizedSigner.toLowerCase() === ZERO_ADDRESS || !ADDRESS.test(operator))
        throw refusal('payee_malformed', 'the channel names no key for its vouchers, or no address as its operator')
      const detail = `${tempoMessageOf(opening)} ${authorizedSigner} ${operator}`.toLowerCase()
      claimNonce(signed, { ...opening, nonce: opening.salt, validAfterSeconds: 0n }, { kind: 'channel', detail })
      return row
    },
  }
}

type TempoPayment = TempoTransaction & Pick<TempoTransfer, 'to' | 'value'>

function tempoMessageOf({ network, asset, to, value, validBeforeSeconds, gas, maxFeePerGas, sponsored }: TempoPayment): string {
  return [network, asset, to, value, validBeforeSeconds, gas, maxFeePerGas, sponsored].join(' ').toLowerCase()
}

/** What every payment has, whatever it is signed as. */
type Judged = Omit<TransferAuthorization, 'nonce'>

function checkFacilitator({ kind, facilitator }: PermitTransfer): void {
  const isRight = kind === 'upto' ? facilitator !== undefined && ADDRESS.test(facilitator) : facilitator === undefined
  if (!isRight || facilitator === ZERO_ADDRESS)
    throw refusal('facilitator_malformed', 'the facilitator is not an address, or there must be none')
}

function requireSignableAsset(
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

function checkValue(value: bigint, grant: SigningGrant): void {
  if (typeof value !== 'bigint' || value <= 0n) throw refusal('value_not_positive', 'the amount is not above zero')
  if (value > grant.maxValue) throw refusal('value_above_grant', 'the amount is above what was agreed')
}

function checkTimes(authorization: Judged, nowSeconds: bigint): void {
  if (authorization.validBeforeSeconds <= nowSeconds) throw refusal('already_expired', 'the authorization would be dead already')
  if (authorization.validBeforeSeconds > nowSeconds + MAX_VALIDITY_SECONDS) {
    throw refusal('valid_too_long', `the authorization would live longer than ${MAX_VALIDITY_SECONDS} seconds`)
  }
  if (authorization.validAfterSeconds > nowSeconds) throw refusal('not_yet_valid', 'the authorization would not be valid yet')
  if (authorization.validAfterSeconds < 0n) throw refusal('not_yet_valid', 'the beginning of the authorization is below zero')
}

type Signed = Map<string, { readonly message: string; readonly place: string; readonly validBefore: bigint }>

/** What a nonce is claimed for, besides what every authorization has. */
type Claim = { readonly kind: string; readonly detail?: string; readonly grant?: SigningGrant }

/**
 * The same message may be signed again, which gives nobody anything new; another one under its nonce only where the grant says
 * so, and then in the same token and to the same payee: the chain takes one of them.
 */
function claimNonce(signed: Signed, authorization: TransferAuthorization, { kind, detail = '', grant }: Claim): void {
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

function refusal(rule: PolicyRule, reason: string): RouteplaneError {
  return new RouteplaneError('policy_refused', `the wallet refused to sign: ${reason}`, { details: { rule } })
}
