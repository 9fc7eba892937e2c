/** Keccak-256, as challenges, memos and transactions on chain are named by it. */

/** Hashes bytes, or the UTF-8 of a text; the package that knows how is large, so it is loaded at the first call. */
export async function keccakOf(input: string | Uint8Array): Promise<`0x${string}`> {
  const { keccak256, stringToBytes } = await import('viem/utils')
  return keccak256(typeof input === 'string' ? stringToBytes(input) : input)
}
