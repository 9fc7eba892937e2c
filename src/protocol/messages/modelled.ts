/** What of a Messages request is read, down to its last object: everything else is reported where it is lost. */
import { isRecord } from '../../lib/json.ts'
import { extensionFields } from '../extensions.ts'
import { taken, type Modelled, type ModelledMembers } from '../unmodelled.ts'
import { messagesRequestSchema } from './schema.ts'

/** Fields that change billing or bookkeeping at the vendor but not the answer. */
export const accountFields = ['metadata', 'service_tier', 'speed', 'inference_geo', 'diagnostics'] as const

/** What only the vendor's own servers can go on from; `max_tokens` and `context_management` in the forms that only they can do. */
export const stateFields = ['container', 'thread', 'compaction', 'fallback_credit_token', 'context_management', 'max_tokens'] as const

type Json = Readonly<Record<string, unknown>>

/** Members that say what would be so without them; SDKs send them back with the history. */
function idleMembers({ caller, citations }: Json): ModelledMembers {
  return {
    ...(isRecord(caller) && caller['type'] === 'direct' ? { caller: true } : {}),
    ...(isRecord(citations) && citations['enabled'] !== true ? { citations: true } : {}),
  }
}

/** Texts within a document or a search result, which become one: a mark on one of them has nowhere to stand. */
const passages: Modelled = (passage) => ({ ...taken(['type', 'text']), ...idleMembers(passage) })

const sources: ReadonlyMap<unknown, ModelledMembers> = new Map<unknown, ModelledMembers>([
  ['base64', taken(['media_type', 'data'])],
  ['url', taken(['url'])],
  ['file', taken(['file_id'])],
  ['text', taken(['media_type', 'data'])],
  ['content', { content: passages }],
])

const source: Modelled = ({ type }) => ({ type: true, ...sources.get(type) })

const blocks: ReadonlyMap<unknown, ModelledMembers> = new Map<unknown, ModelledMembers>([
  ['text', taken(['text'])],
  ['image', { source }],
  ['document', { source, title: true }],
  ['search_result', { ...taken(['source', 'title']), content: passages }],
  ['tool_use', taken(['id', 'name', 'input'])],
  // The blocks within are read by themselves.
  ['tool_result', taken(['tool_use_id', 'content', 'is_error'])],
  ['thinking', taken(['thinking', 'signature'])],
  ['redacted_thinking', taken(['data'])],
])

/** Of a block that is not kept whole. */
export const modelledBlock: Modelled = (block) => ({
  ...taken(['type', 'cache_control']),
  ...blocks.get(block['type']),
  ...idleMembers(block),
})

/** Tools of any other type are kept whole. */
const tools: Modelled = (tool) => {
  if ((tool['type'] ?? 'custom') !== 'custom') return undefined
  const off = Object.keys(tool).filter((name) => tool[name] === false)
  const callers = tool['allowed_callers']
  // Calls come from the model itself unless a tool says that programs may call it, too.
  const isPlain = Array.isArray(callers) && callers.every((caller) => caller === 'direct')
  const own = ['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']
  return taken([...own, ...off, ...(isPlain ? ['allowed_callers'] : [])])
}

/** How much of its thoughts an answer shows; what else is asked for is nobody's. */
export const thoughtDisplays = ['omitted', 'summarized'] as const

const thoughts: ReadonlyMap<unknown, ModelledMembers> = new Map([
  ['enabled', taken(['type', 'budget_tokens'])],
  ['adaptive', taken(['type'])],
  // Where nothing is thought, these say nothing.
  ['disabled', taken(['type', 'budget_tokens', 'display'])],
])

/** One of a type that nobody knows is reported whole. */
const thinking: Modelled = ({ type, display }) => {
  const own = thoughts.get(type)
  return own === undefined ? undefined : { ...own, ...(thoughtDisplays.some((known) => known === display) ? { display: true } : {}) }
}

const format = taken(['type', 'schema'])

/** Of everything but the blocks of messages, which {@link modelledBlock} is for. */
export const modelled: Modelled = {
  ...taken([...Object.keys(messagesRequestSchema.shape), ...accountFields, ...stateFields, ...extensionFields]),
  system: modelledBlock,
  messages: taken(['role', 'content']),
  tools,
  tool_choice: taken(['type', 'name', 'disable_parallel_tool_use']),
  thinking,
  output_config: { effort: true, format },
  output_format: format,
}
