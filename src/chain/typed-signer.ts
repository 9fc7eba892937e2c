/** Whose signature stands under a piece of typed data. */

/** EIP-712, with the domain type left to its fields. */
export type TypedStatement = {
  readonly domain: { readonly name: string; readonly version: string; readonly chainId: number }
  readonly primaryType: string
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>
  readonly message: Readonly<Record<string, unknown>>
}

/** @returns `undefined` for a signature, or a message, that cannot be one. */
export async function recoverSigner(statement: TypedStatement, signature: string): Promise<`0x${string}` | undefined> {
  const { recoverTypedDataAddress } = await import('viem')
  return recoverTypedDataAddress({ ...statement, signature: signature as `0x${string}` }).catch(() => undefined)
}
