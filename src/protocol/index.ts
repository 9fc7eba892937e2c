/** The tuple of wire formats, from which ids, routes and test matrices are derived. */
import type { Protocol } from './protocol.ts'
import { chatCompletions } from './chat-completions/index.ts'
import { generateContent } from './generate-content/index.ts'
import { messages } from './messages/index.ts'
import { responses } from './responses/index.ts'

/** Every wire that is spoken, in both directions; adding one is a folder and a line here. */
export const protocols = [chatCompletions, responses, messages, generateContent] as const satisfies readonly Protocol[]
