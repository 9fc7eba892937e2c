/** Makes one JSON array of a forwarded stream's events, for callers who asked for no events. */
import { createSseDecoder, type SseItem } from '../../lib/sse.ts'
import type { ByteFilter } from '../protocol.ts'

/**
 * Creates the filter: each event becomes an element as soon as it is whole, keep-alive comments go.
 *
 * The answer's media type is then `application/json`.
 */
export function createArrayFilter(): ByteFilter {
  const events = createSseDecoder()
  let isEmpty = true
  const write = (items: readonly SseItem[]): string =>
    items
      .map((item) => ('data' in item ? item.data.trim() : ''))
      .filter((data) => data !== '' && data !== '[DONE]')
      .map((data) => {
        const opening = isEmpty ? '[' : ',\n'
        isEmpty = false
        return `${opening}${data}`
      })
      .join('')
  return {
    push: (chunk) => Buffer.from(write(events.push(chunk))),
    end: () => {
      const rest = write(events.end())
      return Buffer.from(isEmpty ? '[]' : `${rest}]`)
    },
  }
}
