/** Keeps a Solana key in a file of its own, sealed as the wallet's is: scrypt and a password. */
import { RouteplaneError } from '../../errors.ts'
import { isSolanaAddress } from '../../chain/solana/address.ts'
import { randomBytesOf } from '../../lib/id.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { Secret } from '../../lib/log.ts'
import { DEFAULT_SCRYPT_N, openSealed, readSealed, seal, type Sealed } from '../keystore-crypto.ts'
import type { KeystoreAccess, NewKeystore } from '../keystore.ts'
import { readSecretFile, requireAbsent, writeSecretFile } from '../secret-file.ts'
import { parseSolanaKey, printSolanaKey, SolanaKey } from './key.ts'

/**
 * Makes a new random key and writes its file.
 *
 * @returns the new address.
 * @throws RouteplaneError `keystore_exists`, `keystore_unsafe`, `keystore_bad_password` for an empty one.
 */
export async function createSolanaKeystore(options: NewKeystore): Promise<string> {
  await requireAbsent(options.path)
  return write(options, randomBytesOf(32))
}

/**
 * Writes the file of a key that exists already.
 *
 * @returns its address.
 * @throws RouteplaneError `invalid_key`, and as {@link createSolanaKeystore}.
 */
export async function importSolanaKeystore(options: NewKeystore & { readonly privateKey: string }): Promise<string> {
  await requireAbsent(options.path)
  return write(options, parseSolanaKey(options.privateKey))
}

/**
 * Opens a key file for signing; takes about a second by design.
 *
 * @throws RouteplaneError `keystore_missing`, `keystore_unsafe`, `keystore_invalid`, `keystore_bad_password`.
 */
export async function openSolanaKeystore(access: KeystoreAccess): Promise<SolanaKey> {
  return (await unseal(access)).key
}

/** Opens a key file to show its key to its owner, who asked for it twice. @throws as {@link openSolanaKeystore}. */
export async function revealSolanaKeystore(access: KeystoreAccess): Promise<Secret> {
  return new Secret(printSolanaKey((await unseal(access)).seed))
}

async function unseal({ path, password }: KeystoreAccess): Promise<{ readonly key: SolanaKey; readonly seed: Uint8Array }> {
  const { address, sealed } = await readFile(path)
  const seed = Buffer.from((await openSealed(sealed, password)).slice(2), 'hex')
  if (seed.length === 32) {
    const key = new SolanaKey(seed)
    if (key.address === address) return { key, seed }
  }
  throw invalid('holds the key of another address than it says')
}

/**
 * Reads the address that a key file names, without a password: a claim until it has been opened.
 *
 * @throws RouteplaneError `keystore_missing`, `keystore_unsafe`, `keystore_invalid`.
 */
export async function readSolanaKeystoreAddress(path: string): Promise<string> {
  return (await readFile(path)).address
}

/** What tells such a file from a web3 keystore, which has a version alone. */
const KIND = 'solana'

async function write(options: NewKeystore, seed: Uint8Array): Promise<string> {
  if (options.password === '') throw new RouteplaneError('keystore_bad_password', 'a key file needs a password that is not empty')
  const { address } = new SolanaKey(seed)
  const crypto = await seal(`0x${Buffer.from(seed).toString('hex')}`, options.password, options.scryptN ?? DEFAULT_SCRYPT_N)
  await writeSecretFile(options.path, `${JSON.stringify({ kind: KIND, version: 1, address, crypto }, undefined, 2)}\n`)
  return address
}

async function readFile(path: string): Promise<{ readonly address: string; readonly sealed: Sealed }> {
  const document = tryParseJson(await readSecretFile(path))
  if (!isRecord(document) || document['kind'] !== KIND || document['version'] !== 1) throw invalid('is not of a Solana key')
  const { address } = document
  if (typeof address !== 'string' || !isSolanaAddress(address)) throw invalid('names no address')
  return { address, sealed: readSealed(document['crypto']) }
}

function invalid(what: string): RouteplaneError {
  return new RouteplaneError('keystore_invalid', `the key file ${what}`)
}
