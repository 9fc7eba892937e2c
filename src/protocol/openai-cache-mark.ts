/** Cache marks as both of OpenAI's wires carry them. */
import type { CacheMark } from '../completion/request.ts'
import { defined } from '../lib/defined.ts'
import { approximated, unsupported, type Loss } from './loss.ts'

/**
 * Writes the members that mark the end of a prefix to be cached; none, and a loss, for a model that takes no marks.
 *
 * @see https://platform.openai.com/docs/guides/prompt-caching; its lifetimes are 30 minutes and 12 hours.
 */
export function encodeCacheMark(
  cache: CacheMark | undefined,
  path: string,
  { losses, takesCacheMarks }: { readonly losses: Loss[]; readonly takesCacheMarks: boolean },
): Readonly<Record<string, unknown>> {
  if (cache === undefined) return {}
  if (!takesCacheMarks) {
    losses.push(unsupported(path, 'cache_control', 'this model takes no explicit cache marks'))
    return {}
  }
  const { ttl } = cache
  if (ttl === '5m' || ttl === '1h') losses.push(approximated(path, 'cache_control', 'the nearest longer lifetime is asked for'))
  const kept = ttl === '5m' ? '30m' : ttl === '1h' ? '12h' : ttl
  return { prompt_cache_breakpoint: { mode: 'explicit', ...defined({ ttl: kept }) } }
}
