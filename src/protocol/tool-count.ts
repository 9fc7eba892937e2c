/** How many tools a request declares; more than anybody takes are refused before they cost anybody work. */
import { RouteplaneError } from '../errors.ts'

/** Far above what providers take: 128 at OpenAI, in 2026. @see https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools */
const MOST_TOOLS = 4_096

/** @throws RouteplaneError `body_too_large` for more than 4,096. */
export function toolCount(...lists: readonly (readonly unknown[] | null | undefined)[]): number {
  const count = lists.reduce((sum, list) => sum + (list?.length ?? 0), 0)
  if (count <= MOST_TOOLS) return count
  throw new RouteplaneError('body_too_large', `the request declares ${count} tools, and ${MOST_TOOLS} are the most that is read`, {
    hint: 'Send the tools that this turn may need.',
  })
}
