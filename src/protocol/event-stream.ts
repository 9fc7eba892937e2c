/** Whether a wire's stream is one of events. */
import type { WireRequest } from './protocol.ts'

/** Google's stream is one JSON array unless the caller asks for events. @see Gemini API, "Stream generate content" */
export function isEventStream({ path, query }: Pick<WireRequest, 'path' | 'query'>): boolean {
  return !path.endsWith(':streamGenerateContent') || query.get('alt') === 'sse'
}
