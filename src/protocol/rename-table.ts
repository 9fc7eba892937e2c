/** Gives texts that a wire cannot carry another spelling: one-to-one, and the same for the same request. */
import { createHash } from 'node:crypto'

/** What a wire accepts, and how a text is brought near to it. */
export type Spelling = {
  readonly fits: (text: string) => boolean
  /** Must give a text that fits, apart from its length. */
  readonly clean: (text: string) => string
  readonly maxLength: number
  /** Whether the cleaned text may stand alone when nothing else has it, or always gets its hash. */
  readonly hash: 'when-needed' | 'always'
}

export type RenameTable = {
  /** A text that was not given at the start gets a spelling that is still free, and is remembered. */
  toWire(text: string): string
  /** From the wire's spelling to the caller's; holds only the texts that changed. */
  readonly restore: ReadonlyMap<string, string>
}

const HASH_CHARACTERS = 8

/** Builds the table; the order of `texts` does not matter. */
export function createRenameTable(texts: Iterable<string>, spelling: Spelling): RenameTable {
  const known = [...new Set(texts)].toSorted()
  const wireOf = new Map<string, string>()
  const taken = new Set<string>()
  const restore = new Map<string, string>()
  const set = (text: string, wire: string): string => {
    wireOf.set(text, wire)
    taken.add(wire)
    if (wire !== text) restore.set(wire, text)
    return wire
  }

  for (const text of known) if (spelling.fits(text)) set(text, text)
  const rest = known.filter((text) => !spelling.fits(text))
  const sharing = new Map<string, number>()
  for (const text of rest) sharing.set(spelling.clean(text), (sharing.get(spelling.clean(text)) ?? 0) + 1)
  for (const text of rest) set(text, freeSpelling(text, spelling, taken, sharing.get(spelling.clean(text)) === 1))
  return {
    toWire: (text) => wireOf.get(text) ?? set(text, freeSpelling(text, spelling, taken, true)),
    restore,
  }
}

/** Spells a text with its hash: the same text always gets the same. */
export function hashedSpelling(text: string, spelling: Spelling, salt = ''): string {
  // Quoted, because UTF-8 alone would make two different lone surrogates equal.
  const hash = createHash('sha256')
    .update(`${JSON.stringify(text)}${salt}`)
    .digest('hex')
    .slice(0, HASH_CHARACTERS)
  return `${spelling.clean(text).slice(0, spelling.maxLength - HASH_CHARACTERS - 1)}_${hash}`
}

function freeSpelling(text: string, spelling: Spelling, taken: ReadonlySet<string>, mayBeBare: boolean): string {
  if (mayBeBare && spelling.fits(text) && !taken.has(text)) return text
  const clean = spelling.clean(text)
  const isWhole = clean.length <= spelling.maxLength
  if (mayBeBare && isWhole && spelling.hash === 'when-needed' && !taken.has(clean)) return clean
  // A caller may have declared the very name we would make: go on until one is free.
  for (let round = 0; ; round++) {
    const hashed = hashedSpelling(text, spelling, round === 0 ? '' : `#${round}`)
    if (!taken.has(hashed)) return hashed
  }
}
