/** A private key of Solana that can be used and never seen: it prints as its address in every way there is to print. */
import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { RouteplaneError } from '../../errors.ts'
import { decodeBase58, encodeBase58 } from '../../lib/base58.ts'
import { tryParseJson } from '../../lib/json.ts'
import { Unshown } from '../unshown.ts'

/** The frame of an Ed25519 seed in PKCS #8. @see https://datatracker.ietf.org/doc/html/rfc8410#section-7 */
const PKCS8_FRAME = Buffer.from('302e020100300506032b657004220420', 'hex')
const SEED_BYTES = 32
const KEY_BYTES = 64

/** Made by {@link readSolanaKey} or by opening a key file. */
export class SolanaKey extends Unshown {
  readonly address: string
  readonly #key: KeyObject

  /** @param seed - 32 bytes, RFC 8032. */
  constructor(seed: Uint8Array) {
    super()
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_FRAME, seed]), format: 'der', type: 'pkcs8' })
    this.address = encodeBase58(this.publicKey())
  }

  /** 32 bytes, of which the address is the spelling. */
  publicKey(): Uint8Array {
    return createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES)
  }

  /** Ed25519: the same message gives the same signature. Only `wallet.ts` may call it, after its policy. */
  signMessage(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#key)
  }
}

/**
 * Reads a key in either of its usual forms: 64 bytes in base58, as wallets export it, or the array of 64 numbers that `id.json` has.
 *
 * @throws RouteplaneError `invalid_key`, without any part of the text.
 */
export function readSolanaKey(text: string): SolanaKey {
  return new SolanaKey(parseSolanaKey(text))
}

/**
 * Gives the seed of a key, whose second half must be the address that the first half makes.
 *
 * @throws RouteplaneError `invalid_key`, without any part of the text.
 */
export function parseSolanaKey(text: string): Uint8Array {
  const trimmed = text.trim()
  const bytes = trimmed.startsWith('[') ? numbersIn(trimmed) : decodeBase58(trimmed)
  if (bytes?.length !== KEY_BYTES) {
    throw new RouteplaneError('invalid_key', 'the key is neither 64 bytes in base58 nor an array of 64 numbers', {
      hint: 'Give what a Solana wallet exports as the private key, or the content of id.json; not an address and not a phrase of words.',
    })
  }
  const seed = bytes.subarray(0, SEED_BYTES)
  if (new SolanaKey(seed).address === encodeBase58(bytes.subarray(SEED_BYTES))) return seed
  throw new RouteplaneError('invalid_key', 'the two halves of the key do not belong together: some of it is mistyped')
}

/** Writes a seed of 32 bytes as wallets take a key in: with its address behind it, 64 bytes in base58. */
export function printSolanaKey(seed: Uint8Array): string {
  return encodeBase58(Buffer.concat([seed, new SolanaKey(seed).publicKey()]))
}

function numbersIn(text: string): Uint8Array | undefined {
  const value = tryParseJson(text, 2)
  if (!Array.isArray(value)) return undefined
  const isByte = (each: unknown): each is number => typeof each === 'number' && Number.isInteger(each) && each >= 0 && each <= 255
  return value.every(isByte) ? Uint8Array.from(value) : undefined
}
