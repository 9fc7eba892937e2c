/** Base58, as Solana writes keys and signatures: no character that looks like another, zeros in front as ones. */

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** Longer than anything that is written so: reading takes time by the square of the length. */
const MAX_CHARACTERS = 128

/** @see https://datatracker.ietf.org/doc/html/draft-msporny-base58-03 */
export function encodeBase58(bytes: Uint8Array): string {
  const firstDigit = bytes.findIndex((byte) => byte !== 0)
  if (firstDigit === -1) return '1'.repeat(bytes.length)
  let rest = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  while (rest > 0n) {
    text = `${ALPHABET[Number(rest % 58n)] ?? ''}${text}`
    rest /= 58n
  }
  return '1'.repeat(firstDigit) + text
}

/** @returns `undefined` for a text that is not base58, or longer than keys and signatures are. */
export function decodeBase58(text: string): Uint8Array | undefined {
  if (text.length > MAX_CHARACTERS) return undefined
  let value = 0n
  for (const character of text) {
    const digit = ALPHABET.indexOf(character)
    if (digit === -1) return undefined
    value = value * 58n + BigInt(digit)
  }
  const hex = value === 0n ? '' : value.toString(16)
  const zeros = /^1*/.exec(text)?.[0].length ?? 0
  return Uint8Array.from([...Buffer.alloc(zeros), ...Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')])
}
