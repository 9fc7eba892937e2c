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

/** A transfer that only the collector of channel deposits can fetch: the wallet knows its address. */
export type DepositAuthorization = Omit<TransferAuthorization, 'to' | 'validAfterSeconds'>

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
  /**
   * Signs an EIP-3009 receipt by the collector that fills payment channels, and by nobody else; its nonce names the channel.
   *
   * @throws RouteplaneError `policy_refused` as {@link Wallet.signTransfer}.
   */
  signDeposit(deposit: DepositAuthorization, grant: Omit<SigningGrant, 'payee'>): Promise<`0x${string}`>
}
