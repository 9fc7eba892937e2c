/** Takes the usage-only event out of a forwarded stream, for callers who did not ask for it. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { createSseDecoder } from '../../lib/sse.ts'
import { createEventFilter, nextBoundary } from '../event-filter.ts'
import type { ByteFilter } from '../protocol.ts'

/** Creates the filter; everything but that one event passes byte for byte. */
export function createUsageFilter(): ByteFilter {
  return createEventFilter(without)
}

function without(bytes: Buffer): Buffer {
  if (!bytes.includes('"usage"')) return bytes
  const kept: Buffer[] = []
  let from = 0
  for (let start = 0; start < bytes.length;) {
    // What stands after the last blank line is an event too: some servers end without one.
    const end = nextBoundary(bytes, start, true) ?? bytes.length
    if (isUsageOnly(bytes.subarray(start, end))) {
      kept.push(bytes.subarray(from, start))
      from = end
    }
    start = end
  }
  if (from === 0) return bytes
  return Buffer.concat([...kept, bytes.subarray(from)])
}

/** @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options: `choices` is empty there. */
function isUsageOnly(event: Buffer): boolean {
  if (!event.includes('"usage"')) return false
  const decoder = createSseDecoder()
  const [item] = [...decoder.push(event), ...decoder.end()].filter((one) => 'data' in one)
  const chunk = item === undefined ? undefined : tryParseJson(item.data)
  if (!isRecord(chunk) || !isRecord(chunk['usage']) || 'error' in chunk) return false
  const { choices } = chunk
  return choices === undefined || (Array.isArray(choices) && choices.length === 0)
}
