/** The one spelling of an address whose capitals are its checksum. */

/**
 * Spells an address with its EIP-55 checksum. The package that knows how is large, so it is loaded at the first call.
 *
 * @param address - `0x` and 40 hexadecimal digits in any case.
 * @see https://eips.ethereum.org/EIPS/eip-55
 */
export async function checksumAddress(address: string): Promise<`0x${string}`> {
  const { getAddress } = await import('viem/utils')
  return getAddress(address.toLowerCase())
}

/** Tells whether an address claims a checksum at all: one case throughout claims none. */
export function hasChecksum(address: string): boolean {
  const digits = address.slice(2)
  return digits !== digits.toLowerCase() && digits !== digits.toUpperCase()
}
