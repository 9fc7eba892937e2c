/** The wallet port: an address, and signatures over payments that its own policy has agreed to. */
import type { ChannelConfig, WithdrawalStep } from '../chain/channel-id.ts'
import type { ReserveDescriptor, ReserveStep } from '../chain/tempo-channel.ts'

/** An EIP-3009 transfer, named field by field: the wallet builds the typed data itself, from its own asset table. */
export type TransferAuthorization = {
  readonly network: string
  readonly asset: `0x${string}`
  readonly to: `0x${string}`
  readonly value: bigint
  readonly validAfterSeconds: bigint
  readonly validBeforeSeconds: bigint
  readonly nonce: `0x${string}`
}

/**
 * A Permit2 signature transfer for one of x402's own proxies; which contract that is, the wallet knows from its own table.
 * Nothing moves without an allowance that the token itself has given to Permit2.
 */
export type PermitTransfer = TransferAuthorization & {
  /** The whole value, or any part of it up to the value. */
  readonly kind: 'exact' | 'upto'
  /** Who alone may settle; only and always for `upto`. */
  readonly facilitator?: `0x${string}`
}

/**
 * The owner's leave for Permit2 to take a sum of a token, by EIP-2612: it moves nothing, and ends with the payment that it is given
 * for. The spender is no choice.
 */
export type PermitLeave = {
  readonly network: string
  readonly asset: `0x${string}`
  readonly value: bigint
  /** The token's own count of the owner's leaves. */
  readonly nonce: bigint
  readonly validBeforeSeconds: bigint
}

/** A permit's signature, and the contract it was made for. */
export type SignedPermit = { readonly signature: `0x${string}`; readonly proxy: `0x${string}` }

/** What every transaction of ours on Tempo has: the wallet builds it, from its own asset table. */
export type TempoTransaction = {
  readonly network: string
  readonly asset: `0x${string}`
  readonly validBeforeSeconds: bigint
  readonly gas: bigint
  /** In 10⁻¹⁸ US dollars. */
  readonly maxFeePerGas: bigint
  /** Somebody else signs for the fee; else it is taken from the wallet, in the same token. */
  readonly sponsored: boolean
}

/** A transfer with a memo on Tempo. */
export type TempoTransfer = TempoTransaction & {
  readonly to: `0x${string}`
  readonly value: bigint
  /** Tells this transfer from every other: the token writes it into its logs. */
  readonly memo: `0x${string}`
}

/** A deposit into a new channel of Tempo's reserve, which the payee can take by vouchers alone. */
export type TempoOpening = TempoTransaction & {
  readonly to: `0x${string}`
  readonly value: bigint
  /** Tells this channel from every other of ours. */
  readonly salt: `0x${string}`
  /** Whose signature a voucher needs. */
  readonly authorizedSigner: `0x${string}`
  /** Who may settle beside the payee; zero for nobody. */
  readonly operator: `0x${string}`
}

/** What a payer does with a channel of Tempo's reserve that is open: more into it for the payee's vouchers, or its own money back. */
export type TempoReserveCall = TempoTransaction & {
  readonly step: ReserveStep
  readonly channel: ReserveDescriptor
  /** What is added; zero for every other step. */
  readonly value: bigint
  /** Names the transaction among ours: no two that differ are signed under it. */
  readonly nonce: `0x${string}`
}

/** A transfer that only the collector of channel deposits can fetch: the wallet knows its address. */
export type DepositAuthorization = Omit<TransferAuthorization, 'to' | 'validAfterSeconds'>

/** What every transaction of ours on an EVM network has besides what it calls. */
export type EvmTransaction = {
  readonly network: string
  readonly nonce: number
  readonly gas: bigint
  /** Wei of the network's own coin. */
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** What Permit2 may take of a token from now on, instead of what it may take now. The spender is no choice. */
export type PermitAllowance = EvmTransaction & {
  readonly asset: `0x${string}`
  /** Zero for nothing any more. */
  readonly value: bigint
}

/** A step of taking the wallet's own money out of a channel of x402 `batch-settlement`: the contract gives it to nobody else. */
export type ChannelWithdrawal = EvmTransaction & {
  readonly channel: ChannelConfig
  readonly step: WithdrawalStep
  /** Base units that are asked for, by the first step. */
  readonly amount: bigint
}

/** What was agreed before the wallet was asked; the policy repeats the comparison. */
export type SigningGrant = {
  readonly attemptId: string
  /** The provider's manifest address. */
  readonly payee: `0x${string}`
  readonly maxValue: bigint
  /** It takes the place of an authorization under the same nonce, to the same payee, of which the chain takes only one. */
  readonly replaces?: true
  /** Base units that the network may take besides; none when absent. */
  readonly maxFee?: bigint
}

export type Wallet = {
  readonly address: `0x${string}`
  /** @throws RouteplaneError `policy_refused` when anything differs from the grant or the asset table. */
  signTransfer(authorization: TransferAuthorization, grant: SigningGrant): Promise<`0x${string}`>
  /** @throws RouteplaneError `policy_refused` when anything differs from the grant or the asset table. */
  signPermit(permit: PermitTransfer, grant: SigningGrant): Promise<SignedPermit>
  /** @throws RouteplaneError `policy_refused` when anything differs from the grant or the asset table. */
  signLeave(leave: PermitLeave, grant: Pick<SigningGrant, 'maxValue'>): Promise<`0x${string}`>
  /**
   * Signs a Tempo transaction and gives it serialized. The same transfer gives the same transaction.
   *
   * @throws RouteplaneError `policy_refused` as above.
   */
  signTempoTransfer(transfer: TempoTransfer, grant: SigningGrant): Promise<`0x76${string}`>
  /** Signs the transaction that opens a channel, as {@link Wallet.signTempoTransfer}. */
  signTempoOpening(opening: TempoOpening, grant: SigningGrant): Promise<`0x76${string}`>
  /** Signs a call on a channel of the wallet's own, as {@link Wallet.signTempoTransfer}; the payee is the channel's. */
  signTempoReserve(call: TempoReserveCall, grant: SigningGrant): Promise<`0x76${string}`>
  /**
   * Signs an EIP-3009 receipt by the collector that fills payment channels, and by nobody else; its nonce names the channel.
   *
   * @throws RouteplaneError `policy_refused` as {@link Wallet.signTransfer}.
   */
  signDeposit(deposit: DepositAuthorization, grant: Omit<SigningGrant, 'payee'>): Promise<`0x${string}`>
  /**
   * Signs the transaction that lets Permit2 take a sum, and gives it serialized.
   *
   * @param grant - Wei that it may cost at most, besides the sum.
   * @throws RouteplaneError `policy_refused` as above.
   */
  signAllowance(allowance: PermitAllowance, grant: Pick<SigningGrant, 'maxValue'> & { readonly maxFee: bigint }): Promise<`0x${string}`>
  /** Signs a step of a withdrawal from a channel that the wallet itself has filled, as {@link Wallet.signAllowance}. */
  signWithdrawal(withdrawal: ChannelWithdrawal, grant: { readonly maxFee: bigint }): Promise<`0x${string}`>
}
