/** The wallet's own lock: what it will sign, decided from its own table and the grant, whatever the payment code believes. */
import type { AssetRow } from '../chain/networks.ts'
import type { Clock } from '../lib/clock.ts'
import {
  ADDRESS,
  checkFee,
  checkOwner,
  checkTimes,
  checkValue,
  claimNonce,
  judge,
  refusal,
  requireSignableAsset,
  ZERO_ADDRESS,
  type Judge,
} from './policy-rules.ts'
import { approveTempoOpening, approveTempoReserve, approveTempoTransfer } from './tempo-policy.ts'
import type {
  ChannelWithdrawal,
  PermitAllowance,
  PermitLeave,
  PermitTransfer,
  SigningGrant,
  TempoOpening,
  TempoReserveCall,
  TempoTransfer,
  TransferAuthorization,
} from './wallet.ts'

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
  /** The same for a leave by EIP-2612: a sum of a token whose domain we know, which dies within minutes. */
  approveLeave(leave: PermitLeave, grant: Pick<SigningGrant, 'maxValue'>): AssetRow
  /** The same for a step of a withdrawal: from a channel whose money goes to this wallet, of a token of the table, at no more than the fee. */
  approveWithdrawal(withdrawal: ChannelWithdrawal, grant: { readonly maxFee: bigint }, payer: `0x${string}`): AssetRow
  /** The same for a call on a channel of Tempo's reserve, which must be this wallet's; only a top-up has a value. */
  approveReserve(call: TempoReserveCall, grant: SigningGrant, payer: `0x${string}`): AssetRow
  /** The same for the opening of a channel, whose salt is its nonce. */
  approveOpening(opening: TempoOpening, grant: SigningGrant, payer: `0x${string}`): AssetRow
}

export function createPolicy({ clock, mainnets = [] }: PolicyOptions): SigningPolicy {
  const by: Judge = { clock, mainnets, signed: new Map() }
  return {
    approve(authorization, grant, payer) {
      const row = judge(authorization, { grant, payer }, ['eip3009'], by)
      claimNonce(by.signed, authorization, { kind: 'transfer', grant })
      return row
    },
    approvePermit(permit, grant, payer) {
      const row = judge(permit, { grant, payer }, ['eip3009', 'permit2'], by)
      checkFacilitator(permit)
      claimNonce(by.signed, permit, { kind: `permit ${permit.kind}`, detail: permit.facilitator?.toLowerCase() ?? '', grant })
      return row
    },
    approveAllowance(allowance, grant) {
      const row = requireSignableAsset(allowance, mainnets, ['eip3009', 'permit2'])
      if (typeof allowance.value !== 'bigint' || allowance.value < 0n) throw refusal('value_not_positive', 'the sum is below zero')
      if (allowance.value > grant.maxValue) throw refusal('value_above_grant', 'the sum is above what was agreed')
      checkFee(allowance, grant)
      return row
    },
    approveLeave(leave, grant) {
      const row = requireSignableAsset(leave, mainnets, ['eip3009'])
      checkValue(leave.value, grant)
      checkTimes({ ...leave, validAfterSeconds: 0n }, by)
      return row
    },
    approveWithdrawal(withdrawal, grant, payer) {
      const { network, channel } = withdrawal
      const row = requireSignableAsset({ network, asset: channel.token }, mainnets, ['eip3009', 'permit2'])
      checkOwner(channel, payer)
      checkFee(withdrawal, grant)
      return row
    },
    approveTempo: (transfer, grant, payer) => approveTempoTransfer(transfer, { grant, payer }, by),
    approveOpening: (opening, grant, payer) => approveTempoOpening(opening, { grant, payer }, by),
    approveReserve: (call, grant, payer) => approveTempoReserve(call, { grant, payer }, by),
  }
}

function checkFacilitator({ kind, facilitator }: PermitTransfer): void {
  const isRight = kind === 'upto' ? facilitator !== undefined && ADDRESS.test(facilitator) : facilitator === undefined
  if (!isRight || facilitator === ZERO_ADDRESS)
    throw refusal('facilitator_malformed', 'the facilitator is not an address, or there must be none')
}
