/** Keeps responses for callers who go on from one by its id, each for the caller alone to whom it was given. */
import type { Clock } from '../lib/clock.ts'

/** A response and all that it was an answer to. */
export type StoredResponse = {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly createdMs: number
  /** The items that the model was given, those of earlier responses included. */
  readonly input: readonly unknown[]
  /** The response object as the caller got it. */
  readonly response: Readonly<Record<string, unknown>>
}

/** The port. A response of another caller is as unknown as one that never was: nothing tells them apart. */
export type ResponseStore = {
  put(caller: string, stored: StoredResponse): Promise<void>
  get(caller: string, id: string): Promise<StoredResponse | undefined>
  /** @returns whether there was one. */
  delete(caller: string, id: string): Promise<boolean>
}

export type MemoryStoreOptions = {
  readonly clock: Pick<Clock, 'now'>
  /** How long a response is kept; default 24 hours. */
  readonly ttlMs?: number
  /** Most bytes of JSON kept for everybody together; default 64 MiB. The oldest go first. */
  readonly maxBytes?: number
}

type Entry = { readonly stored: StoredResponse; readonly bytes: number }

const DAY_MS = 24 * 60 * 60 * 1000
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/** Creates a store in memory: what it keeps ends with the process, and a response larger than the whole store is not kept. */
export function createMemoryResponseStore({ clock, ttlMs = DAY_MS, maxBytes = DEFAULT_MAX_BYTES }: MemoryStoreOptions): ResponseStore {
  /** In the order they were put, which is the order they go. */
  const entries = new Map<string, Entry>()
  let total = 0

  const drop = (key: string): boolean => {
    const entry = entries.get(key)
    if (entry === undefined) return false
    entries.delete(key)
    total -= entry.bytes
    return true
  }
  const isOld = ({ stored }: Entry): boolean => clock.now() - stored.createdMs >= ttlMs
  const tidy = (): void => {
    for (const [key, entry] of entries) {
      if (total <= maxBytes && !isOld(entry)) return
      drop(key)
    }
  }
  return {
    put: (caller, stored) => {
      const key = keyOf(caller, stored.id)
      const bytes = Buffer.byteLength(JSON.stringify([stored.input, stored.response]))
      drop(key)
      if (bytes <= maxBytes) {
        entries.set(key, { stored, bytes })
        total += bytes
      }
      tidy()
      return Promise.resolve()
    },
    get: (caller, id) => {
      const entry = entries.get(keyOf(caller, id))
      return Promise.resolve(entry === undefined || isOld(entry) ? undefined : entry.stored)
    },
    delete: (caller, id) => {
      tidy()
      return Promise.resolve(drop(keyOf(caller, id)))
    },
  }
}

/** Unambiguous for any two texts. */
function keyOf(caller: string, id: string): string {
  return JSON.stringify([caller, id])
}
