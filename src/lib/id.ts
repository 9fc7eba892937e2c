/** Sortable ids and random bytes: the only place that asks for randomness. */
import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Makes `prefix_` + 10 characters of time + 16 random ones (the ULID layout, lower case); sorts by time of making. */
export function createId(prefix: string, nowMs: number): string {
  let time = ''
  for (let rest = nowMs, place = 0; place < 10; place++) {
    time = ALPHABET[rest % 32] + time
    rest = Math.floor(rest / 32)
  }
  let random = ''
  for (const byte of randomBytes(16)) random += ALPHABET[byte % 32]
  return `${prefix}_${time}${random}`
}

/** Gives `length` random bytes from the operating system. */
export function randomBytesOf(length: number): Uint8Array {
  return randomBytes(length)
}
