/** Keccak-256 of text, as challenges and memos on chain are made of it. */

/** Hashes UTF-8; the package that knows how is large, so it is loaded at the first call. */
export async function keccakOf(text: string): Promise<`0x${string}`> {
  const { keccak256, stringToBytes } = await import('viem/utils')
  return keccak256(stringToBytes(text))
}
