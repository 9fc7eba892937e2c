/** Addresses of Solana: 32 bytes in base58, and the one account of a token that an owner is paid into. */
import { createHash } from 'node:crypto'
import { solanaPrograms } from '../../../contracts-abi/solana.ts'
import { decodeBase58, encodeBase58 } from '../../lib/base58.ts'

/** The one whose tokens are paid in. */
export const tokenProgram = solanaPrograms.token

const ADDRESS_BYTES = 32

/** @returns `undefined` unless the text is the one spelling of 32 bytes. */
export function addressBytes(text: string): Uint8Array | undefined {
  const bytes = decodeBase58(text)
  return bytes?.length === ADDRESS_BYTES ? bytes : undefined
}

/** Whether a text is an address that somebody can hold money at; the program of thirty-two zeros holds none. */
export function isSolanaAddress(text: string): boolean {
  return addressBytes(text) !== undefined && text !== solanaPrograms.system
}

/**
 * Gives the account in which an owner holds a token of the classic token program.
 *
 * @throws TypeError for addresses that are none.
 * @see https://www.solana-program.com/docs/associated-token-account, "Finding the Associated Token Account address"
 */
export function tokenAccountOf(owner: string, mint: string): string {
  return derivedAddress([owner, solanaPrograms.token, mint].map(requireBytes), requireBytes(solanaPrograms.associatedToken))
}

/**
 * The first address below the bump 255 that is on no curve, so that nobody has a key of it.
 *
 * @see https://solana.com/docs/core/pda, "Canonical Bump"
 */
function derivedAddress(seeds: readonly Uint8Array[], program: Uint8Array): string {
  for (let bump = 255; bump >= 0; bump--) {
    const hash = createHash('sha256')
    for (const seed of seeds) hash.update(seed)
    const candidate = hash.update(Uint8Array.of(bump)).update(program).update('ProgramDerivedAddress').digest()
    if (!isOnCurve(candidate)) return encodeBase58(candidate)
  }
  throw new TypeError('these seeds have no address')
}

function requireBytes(text: string): Uint8Array {
  const bytes = addressBytes(text)
  if (bytes === undefined) throw new TypeError('this is not an address of Solana')
  return bytes
}

/** The field and the constant of edwards25519: 2²⁵⁵ − 19 and −121665 / 121666. */
const P = 2n ** 255n - 19n
const D = 37_095_705_934_669_439_343_138_083_508_754_565_189_542_113_879_843_219_016_388_785_533_085_940_283_555n

/**
 * Whether 32 bytes are a point of edwards25519, by Euler's criterion for its x² = (y² − 1) / (d·y² + 1).
 *
 * @see https://datatracker.ietf.org/doc/html/rfc8032#section-5.1.3
 */
export function isOnCurve(bytes: Uint8Array): boolean {
  const little = BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
  const ySquared = mod(BigInt.asUintN(255, little) ** 2n)
  const xSquared = mod((ySquared - 1n) * power(mod(D * ySquared + 1n), P - 2n))
  return xSquared === 0n || power(xSquared, (P - 1n) / 2n) === 1n
}

function mod(value: bigint): bigint {
  const rest = value % P
  return rest < 0n ? rest + P : rest
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base % P
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P
    square = (square * square) % P
  }
  return result
}
