/** Seals and opens the `crypto` part of a web3 v3 keystore: scrypt, AES-128-CTR, and a Keccak checksum. */
import { createCipheriv, createDecipheriv, scrypt, timingSafeEqual } from 'node:crypto'
import { RouteplaneError } from '../errors.ts'
import { randomBytesOf } from '../lib/id.ts'
import { isRecord } from '../lib/json.ts'

/** One second and 268 MB for each guess of a password. */
export const DEFAULT_SCRYPT_N = 262_144

const MIN_SCRYPT_N = 2 ** 13
/** A file must not be able to ask for all memory: 128 · N · r bytes are needed to open it. */
const MAX_SCRYPT_BYTES = 512 * 1024 * 1024

type ScryptParameters = { readonly n: number; readonly r: number; readonly p: number; readonly salt: Buffer }

export type Sealed = {
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly mac: Buffer
  readonly parameters: ScryptParameters
}

/**
 * Seals a private key.
 *
 * @throws {@link RouteplaneError} `keystore_invalid` for a cost out of bounds.
 * @see https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage
 */
export async function seal(privateKey: `0x${string}`, password: string, n: number): Promise<Record<string, unknown>> {
  const parameters = { n, r: 8, p: 1, salt: Buffer.from(randomBytesOf(32)) }
  checkParameters(parameters)
  const derived = await derive(password, parameters)
  const iv = Buffer.from(randomBytesOf(16))
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(privateKey.slice(2), 'hex')), cipher.final()])
  return {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: iv.toString('hex') },
    ciphertext: ciphertext.toString('hex'),
    kdf: 'scrypt',
    kdfparams: { dklen: 32, n, r: parameters.r, p: parameters.p, salt: parameters.salt.toString('hex') },
    mac: (await checksum(derived, ciphertext)).toString('hex'),
  }
}

/**
 * Opens a sealed private key.
 *
 * @throws {@link RouteplaneError} `keystore_bad_password`: the checksum cannot tell a wrong password from a changed file.
 */
export async function openSealed(sealed: Sealed, password: string): Promise<`0x${string}`> {
  const derived = await derive(password, sealed.parameters)
  if (!timingSafeEqual(await checksum(derived, sealed.ciphertext), sealed.mac)) {
    throw new RouteplaneError('keystore_bad_password', 'the password does not open this keystore, or the file was changed')
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), sealed.iv)
  return `0x${Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]).toString('hex')}`
}

/** Reads the `crypto` part, all bounds checked before anything costs. @throws {@link RouteplaneError} `keystore_invalid`. */
export function readSealed(crypto: unknown): Sealed {
  if (!isRecord(crypto)) throw invalid('has no crypto part', 'crypto')
  if (crypto['cipher'] !== 'aes-128-ctr') throw invalid('uses a cipher other than aes-128-ctr', 'cipher')
  if (crypto['kdf'] !== 'scrypt') throw invalid('uses a key derivation other than scrypt', 'kdf')
  const { cipherparams, kdfparams } = crypto
  if (!isRecord(cipherparams) || !isRecord(kdfparams)) throw invalid('has no parameters', 'params')
  if (kdfparams['dklen'] !== 32) throw invalid('derives a key of another length than 32', 'params')
  const parameters = {
    n: integerOf(kdfparams['n']),
    r: integerOf(kdfparams['r']),
    p: integerOf(kdfparams['p']),
    salt: bytesOf(kdfparams['salt'], 8, 64),
  }
  checkParameters(parameters)
  return {
    iv: bytesOf(cipherparams['iv'], 16, 16),
    ciphertext: bytesOf(crypto['ciphertext'], 32, 32),
    mac: bytesOf(crypto['mac'], 32, 32),
    parameters,
  }
}

function checkParameters({ n, r, p }: ScryptParameters): void {
  if (n < MIN_SCRYPT_N || (n & (n - 1)) !== 0 || n > 2 ** 30) throw invalid('has a scrypt cost N out of bounds', 'params')
  if (r < 1 || 128 * n * r > MAX_SCRYPT_BYTES) throw invalid('asks for more memory than it may', 'params')
  // RFC 7914, section 2: N is below 2^(128 · r / 8).
  if (16 * r < 32 && n >= 2 ** (16 * r)) throw invalid('has a scrypt cost N too large for its r', 'params')
  if (p < 1 || p > 8) throw invalid('has a scrypt parallelism p out of bounds', 'params')
}

/** Node's own limit is 32 MB, below every real keystore. */
function derive(password: string, { n, r, p, salt }: ScryptParameters): Promise<Buffer> {
  const maxmem = 128 * n * r + 128 * r * (p + 2) + 1024 * 1024
  return new Promise((resolve, reject) => {
    scrypt(Buffer.from(password, 'utf8'), salt, 32, { N: n, r, p, maxmem }, (error, derived) =>
      error === null ? resolve(derived) : reject(error),
    )
  })
}

async function checksum(derived: Buffer, ciphertext: Buffer): Promise<Buffer> {
  const { keccak256 } = await import('viem')
  return Buffer.from(keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext]), 'bytes'))
}

function integerOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  throw invalid('has a parameter that is not a positive integer', 'params')
}

function bytesOf(value: unknown, least: number, most: number): Buffer {
  const isHex = typeof value === 'string' && value.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(value)
  if (isHex && value.length >= least * 2 && value.length <= most * 2) return Buffer.from(value, 'hex')
  throw invalid('has bytes that are missing, not hexadecimal, or of a wrong length', 'params')
}

function invalid(what: string, reason: string): RouteplaneError {
  return new RouteplaneError('keystore_invalid', `the keystore ${what}`, { details: { reason } })
}
