/** Keccak-256, as challenges, memos and transactions on chain are named by it. */

/** Hashes bytes, or the UTF-8 of a text; the package that knows how is large, so it is loaded at the first call. */
export async function keccakOf(input: string | Uint8Array): Promise<`0x${string}`> {
  const { keccak256, stringToBytes } = await import('viem/utils')
  return keccak256(typeof input === 'string' ? stringToBytes(input) : input)
}

/** The name that a network gives to a signed transaction, which is known before it is sent. */
export function transactionHash(serialized: `0x${string}`): Promise<`0x${string}`> {
  return keccakOf(Buffer.from(serialized.slice(2), 'hex'))
}
