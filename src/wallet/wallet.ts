/** The wallet port: an address, and signatures over payments that its own policy has agreed to. */

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

/** A permit's signature, and the contract it was made for. */
export type SignedPermit = { readonly signature: `0x${string}`; readonly proxy: `0x${string}` }

/** What was agreed before the wallet was asked; the policy repeats the comparison. */
export type SigningGrant = {
  readonly attemptId: string
  /** The provider's manifest address. */
  readonly payee: `0x${string}`
  readonly maxValue: bigint
}

export type Wallet = {
  readonly address: `0x${string}`
  /** @throws RouteplaneError `policy_refused` when anything differs from the grant or the asset table. */
  signTransfer(authorization: TransferAuthorization, grant: SigningGrant): Promise<`0x${string}`>
  /** @throws RouteplaneError `policy_refused` when anything differs from the grant or the asset table. */
  signPermit(permit: PermitTransfer, grant: SigningGrant): Promise<SignedPermit>
}
