/** Reads what a Solana transaction would do, byte by byte: its signers, its accounts and its instructions. */
import { createHash } from 'node:crypto'
import { encodeBase58 } from '../../lib/base58.ts'

export type SolanaInstruction = {
  readonly program: string
  readonly accounts: readonly { readonly address: string; readonly signs: boolean; readonly writes: boolean }[]
  readonly data: Uint8Array
}

/** A message of version 0 that loads no account out of a table. */
export type SolanaMessage = {
  /** Who pays the network's fee first. */
  readonly signers: readonly string[]
  readonly blockhash: string
  readonly instructions: readonly SolanaInstruction[]
}

export type SolanaTransaction = {
  /** One for each signer in their order; zeros where one is missing. */
  readonly signatures: readonly Uint8Array[]
  readonly message: Uint8Array
}

const SIGNATURE_BYTES = 64
/** The most that the network carries. */
export const MAX_TRANSACTION_BYTES = 1_232

/** @returns `undefined` for bytes that are no transaction. */
export function readTransaction(bytes: Uint8Array): SolanaTransaction | undefined {
  return attempt(() => {
    if (bytes.length > MAX_TRANSACTION_BYTES) throw malformed()
    const reader = createReader(bytes)
    const signatures = Array.from({ length: reader.length() }, () => reader.take(SIGNATURE_BYTES))
    return { signatures, message: reader.rest() }
  })
}

/** Puts signatures and message together as they are sent. */
export function writeTransaction({ signatures, message }: SolanaTransaction): Uint8Array {
  return Uint8Array.from([signatures.length, ...signatures.flatMap((signature) => [...signature]), ...message])
}

/**
 * Reads a message to its last byte.
 *
 * @returns `undefined` for bytes that are no message of version 0, or one that loads accounts out of a table: what those are cannot
 *   be seen in it.
 * @see https://solana.com/docs/core/transactions, "Message" and "Versioned Transactions"
 */
export function readMessage(bytes: Uint8Array): SolanaMessage | undefined {
  return attempt(() => {
    const reader = createReader(bytes)
    if (reader.byte() !== 0x80) throw malformed()
    const [signing, readOnlySigning, readOnly] = [reader.byte(), reader.byte(), reader.byte()]
    const addresses = Array.from({ length: reader.length() }, () => encodeBase58(reader.take(32)))
    if (signing === 0 || signing > addresses.length || readOnlySigning >= signing || readOnly > addresses.length - signing)
      throw malformed()
    const writes = (at: number) => (at < signing ? at < signing - readOnlySigning : at < addresses.length - readOnly)
    const accountAt = (at: number) => {
      const address = addresses[at]
      if (address === undefined) throw malformed()
      return { address, signs: at < signing, writes: writes(at) }
    }
    const blockhash = encodeBase58(reader.take(32))
    const instructions = Array.from({ length: reader.length() }, () => ({
      program: accountAt(reader.byte()).address,
      accounts: Array.from({ length: reader.length() }, () => accountAt(reader.byte())),
      data: reader.take(reader.length()),
    }))
    if (reader.length() !== 0 || reader.rest().length > 0) throw malformed()
    return { signers: addresses.slice(0, signing), blockhash, instructions }
  })
}

/** Names a message: of two transactions with the same one, the network takes one, whoever has signed it how. */
export function messageHash(message: Uint8Array): `0x${string}` {
  return `0x${createHash('sha256').update(message).digest('hex')}`
}

function createReader(bytes: Uint8Array) {
  let at = 0
  const take = (count: number): Uint8Array => {
    if (at + count > bytes.length) throw malformed()
    at += count
    return bytes.subarray(at - count, at)
  }
  const byte = () => take(1)[0] ?? 0
  return {
    take,
    byte,
    rest: () => take(bytes.length - at),
    /** Seven bits a byte, the lowest first, in at most three bytes, and no more of them than needed. */
    length: (): number => {
      let value = 0
      for (let place = 0; place < 3; place++) {
        const part = byte()
        value |= (part & 0x7f) << (7 * place)
        if (part === 0 && place > 0) throw malformed()
        if ((part & 0x80) === 0) return value
      }
      throw malformed()
    },
  }
}

class Malformed extends Error {}
const malformed = () => new Malformed('these bytes cannot be read')

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}
