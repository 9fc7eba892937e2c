/** Places cache marks in a Messages request, as many as the wire takes. */
import type { CacheMark } from '../../completion/request.ts'
import { approximated, omitted, type Loss } from '../loss.ts'
import { MAX_CACHE_MARKS } from './rules.ts'

type Json = Readonly<Record<string, unknown>>

export type CacheMarks = {
  /** Copies a block with its mark, if it has one. Blocks must be put in the order in which the vendor reads them. */
  put(block: Json, mark: CacheMark | undefined, path: string): Json
  /** Takes out all marks but the last ones, which cover the most. Called once, when all blocks have been put. */
  settle(losses: Loss[]): void
}

type Placed = { readonly block: Record<string, unknown>; readonly path: string; readonly ttl: CacheMark['ttl'] }

/** @see https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching */
export function createCacheMarks(): CacheMarks {
  const placed: Placed[] = []
  return {
    put(block, mark, path) {
      const { cache_control: _, ...rest } = block
      if (mark === undefined) return rest
      const marked = { ...rest, cache_control: { type: 'ephemeral', ...lifetime(mark.ttl) } }
      placed.push({ block: marked, path, ttl: mark.ttl })
      return marked
    },
    settle(losses) {
      for (const { block, path } of placed.slice(0, -MAX_CACHE_MARKS)) {
        delete block['cache_control']
        losses.push(omitted(path, 'cache_control', `only the last ${MAX_CACHE_MARKS} cache marks are kept`))
      }
      for (const { path, ttl } of placed.slice(-MAX_CACHE_MARKS)) {
        if (ttl === '30m' || ttl === '12h') losses.push(approximated(path, 'cache_control', `a lifetime of ${ttl} becomes one hour`))
      }
    },
  }
}

/** The wire has five minutes, which is what it takes when nothing is said, and an hour. */
function lifetime(ttl: CacheMark['ttl']): Json {
  if (ttl === undefined) return {}
  return { ttl: ttl === '5m' ? '5m' : '1h' }
}
