/** Sortable ids and random bytes: the only place that asks for randomness. */
import { randomBytes, randomFillSync } from 'node:crypto'

const ALPHABET = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz')
const TIME_CHARACTERS = 10
const RANDOM_CHARACTERS = 16

/** Asking the system costs more than making an id, so bytes for ids are taken by the block; each is used once. */
const BLOCK_BYTES = 4096
const block = { bytes: Buffer.alloc(0), at: 0 }

/** Makes `prefix_` + 10 characters of time + 16 random ones (the ULID layout, lower case); sorts by time of making. */
export function createId(prefix: string, nowMs: number): string {
  const id = Buffer.allocUnsafe(TIME_CHARACTERS + RANDOM_CHARACTERS)
  for (let rest = nowMs, at = TIME_CHARACTERS - 1; at >= 0; at--) {
    id[at] = ALPHABET[rest % 32] as number
    rest = Math.floor(rest / 32)
  }
  if (block.at + RANDOM_CHARACTERS > block.bytes.length) refill()
  for (let at = TIME_CHARACTERS; at < id.length; at++) id[at] = ALPHABET[(block.bytes[block.at++] as number) % 32] as number
  return `${prefix}_${id.toString('latin1')}`
}

function refill(): void {
  if (block.bytes.length === 0) block.bytes = Buffer.alloc(BLOCK_BYTES)
  randomFillSync(block.bytes)
  block.at = 0
}

/** Gives `length` random bytes from the operating system, asked for each time: no secret-to-be waits in memory. */
export function randomBytesOf(length: number): Uint8Array {
  return randomBytes(length)
}
