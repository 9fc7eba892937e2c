/** Keeps a private key in a web3 v3 keystore file, sealed with scrypt and a password. */
import type { PrivateKeyAccount } from 'viem'
import { RouteplaneError } from '../errors.ts'
import { randomBytesOf } from '../lib/id.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { Secret } from '../lib/log.ts'
import { WalletKey, parsePrivateKey } from './key.ts'
import { DEFAULT_SCRYPT_N, openSealed, readSealed, seal } from './keystore-crypto.ts'
import type { Sealed } from './keystore-crypto.ts'
import { readSecretFile, requireAbsent, writeSecretFile } from './secret-file.ts'

export { DEFAULT_SCRYPT_N } from './keystore-crypto.ts'

export type KeystoreAccess = { readonly path: string; readonly password: string }

export type NewKeystore = KeystoreAccess & {
  /** Cost of guessing the password, a power of two; lower only where no money lies. */
  readonly scryptN?: number
}

/**
 * Makes a new random key and writes its keystore.
 *
 * @returns the new address.
 * @throws {@link RouteplaneError} `keystore_exists`, `keystore_unsafe`, `keystore_bad_password` for an empty one.
 */
export async function createKeystore(options: NewKeystore): Promise<`0x${string}`> {
  await requireAbsent(options.path)
  return write(options, randomPrivateKey())
}

/**
 * Writes the keystore of a key that exists already.
 *
 * @returns its address.
 * @throws {@link RouteplaneError} `invalid_key`, and as {@link createKeystore}.
 */
export async function importKeystore(options: NewKeystore & { readonly privateKey: string }): Promise<`0x${string}`> {
  await requireAbsent(options.path)
  return write(options, parsePrivateKey(options.privateKey))
}

/**
 * Opens a keystore for signing; takes about a second by design.
 *
 * @throws {@link RouteplaneError} `keystore_missing`, `keystore_unsafe`, `keystore_invalid`, `keystore_bad_password`.
 */
export async function openKeystore(access: KeystoreAccess): Promise<WalletKey> {
  return new WalletKey((await unseal(access)).account)
}

/** Opens a keystore to show its key to its owner, who asked for it twice. @throws as {@link openKeystore}. */
export async function revealKeystore(access: KeystoreAccess): Promise<Secret> {
  return (await unseal(access)).privateKey
}

/**
 * Reads the address that a keystore names, without a password: a claim until it has been opened.
 *
 * @throws {@link RouteplaneError} `keystore_missing`, `keystore_unsafe`, `keystore_invalid`.
 */
export async function readKeystoreAddress(path: string): Promise<`0x${string}`> {
  const { getAddress } = await import('viem')
  return getAddress((await readFile(path)).address)
}

async function write(options: NewKeystore, privateKey: `0x${string}`): Promise<`0x${string}`> {
  if (options.password === '') throw new RouteplaneError('keystore_bad_password', 'a keystore needs a password that is not empty')
  const { privateKeyToAccount } = await import('viem/accounts')
  const { address } = privateKeyToAccount(privateKey)
  const crypto = await seal(privateKey, options.password, options.scryptN ?? DEFAULT_SCRYPT_N)
  const document = { version: 3, id: randomUuid(), address: address.slice(2).toLowerCase(), crypto }
  await writeSecretFile(options.path, `${JSON.stringify(document, undefined, 2)}\n`)
  return address
}

async function unseal(access: KeystoreAccess): Promise<{ readonly account: PrivateKeyAccount; readonly privateKey: Secret }> {
  const { address, sealed } = await readFile(access.path)
  const privateKey = await openSealed(sealed, access.password)
  const { privateKeyToAccount } = await import('viem/accounts')
  const account = privateKeyToAccount(parsePrivateKey(privateKey))
  if (account.address.toLowerCase() === address) return { account, privateKey: new Secret(privateKey) }
  throw new RouteplaneError('keystore_invalid', 'the keystore holds the key of another address than it says', {
    details: { reason: 'address' },
  })
}

const ADDRESS = /^(?:0x)?[0-9a-fA-F]{40}$/

async function readFile(path: string): Promise<{ readonly address: `0x${string}`; readonly sealed: Sealed }> {
  const document = tryParseJson(await readSecretFile(path))
  if (!isRecord(document)) throw invalid('is not a JSON object', 'json')
  if (document['version'] !== 3) throw invalid('is not of version 3', 'version')
  const address = document['address']
  if (typeof address !== 'string' || !ADDRESS.test(address)) throw invalid('names no address', 'address')
  return { address: `0x${address.slice(-40).toLowerCase()}`, sealed: readSealed(document['crypto']) }
}

function invalid(what: string, reason: string): RouteplaneError {
  return new RouteplaneError('keystore_invalid', `the keystore ${what}`, { details: { reason } })
}

/** A draw outside the curve's range happens less often than a hash collision; it is drawn again all the same. */
function randomPrivateKey(): `0x${string}` {
  for (;;) {
    const drawn = Buffer.from(randomBytesOf(32)).toString('hex')
    try {
      return parsePrivateKey(drawn)
    } catch {
      continue
    }
  }
}

/** RFC 9562, section 5.4. */
function randomUuid(): string {
  const bytes = Buffer.from(randomBytesOf(16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
