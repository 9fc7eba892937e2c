/** The request of Anthropic Messages as callers write it: loose, so that unknown fields pass. */
import * as z from 'zod'
import { jsonObject } from '../json-object.ts'

/** Longer than any model id; a bound so that no error or log carries a megabyte. */
const MAX_MODEL_CHARACTERS = 512

const cacheControl = z.looseObject({ type: z.string().nullish(), ttl: z.string().nullish() }).nullish()
const cacheField = { cache_control: cacheControl }
const citationsFlag = z.looseObject({ enabled: z.boolean().nullish() }).nullish()

/** By the web only: never a scheme that would read a file on somebody's machine. */
const webUrl = z.string().check((context) => {
  if (/^https?:\/\//i.test(context.value)) return
  context.issues.push({ code: 'custom', message: 'must be an http(s) URL', input: context.value, path: [] })
})

const urlSource = z.looseObject({ type: z.literal('url'), url: webUrl })
const fileSource = z.looseObject({ type: z.literal('file'), file_id: z.string() })
const inlineSource = z.looseObject({ type: z.literal('base64'), media_type: z.string(), data: z.string() })

/** @see https://docs.anthropic.com/en/api/messages#body-messages */
export const textBlock = z.looseObject({ type: z.literal('text'), text: z.string(), citations: z.unknown().optional(), ...cacheField })
export const imageBlock = z.looseObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [inlineSource, urlSource, fileSource]),
  ...cacheField,
})
export const documentBlock = z.looseObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    inlineSource,
    z.looseObject({ type: z.literal('text'), data: z.string() }),
    z.looseObject({ type: z.literal('content'), content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]) }),
    urlSource,
    fileSource,
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
  citations: citationsFlag,
  ...cacheField,
})
export const searchResultBlock = z.looseObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: z.string(),
  content: z.array(textBlock),
  citations: citationsFlag,
  ...cacheField,
})
export const toolUseBlock = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string().min(1),
  input: jsonObject,
  ...cacheField,
})
const resultContent = z.union([z.string(), z.array(z.looseObject({ type: z.string() }))])
export const toolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().min(1),
  content: resultContent.nullish(),
  is_error: z.boolean().nullish(),
  ...cacheField,
})
export const thinkingBlock = z.looseObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string().nullish() })
export const redactedBlock = z.looseObject({ type: z.literal('redacted_thinking'), data: z.string() })

const knownBlocks: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['text', textBlock],
  ['image', imageBlock],
  ['document', documentBlock],
  ['search_result', searchResultBlock],
  ['tool_use', toolUseBlock],
  ['tool_result', toolResultBlock],
  ['thinking', thinkingBlock],
  ['redacted_thinking', redactedBlock],
])

/** A block of a known type must be whole; one of an unknown type is a newer one, and passes. */
const block = z.looseObject({ type: z.string() }).check((context) => {
  const result = knownBlocks.get(context.value.type)?.safeParse(context.value)
  for (const issue of result?.error?.issues ?? []) {
    const message = issue.code === 'custom' ? issue.message : 'is missing or of the wrong type'
    context.issues.push({ code: 'custom', message, input: context.value, path: [...issue.path] })
  }
})
export type Block = z.infer<typeof block>

const message = z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content: z.union([z.string(), z.array(block)]) })
export type Message = z.infer<typeof message>

const tool = z.looseObject({
  type: z.string().nullish(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  input_schema: jsonObject.nullish(),
  strict: z.boolean().nullish(),
  ...cacheField,
})
export type WireTool = z.infer<typeof tool>

const outputFormat = z.looseObject({ type: z.string(), schema: z.union([z.boolean(), jsonObject]).nullish() })

const shared = {
  /** Absent only beside our own `models`. */
  model: z.string().min(1).max(MAX_MODEL_CHARACTERS).nullish(),
  messages: z.array(message).min(1),
  system: z.union([z.string(), z.array(textBlock)]).nullish(),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  thinking: z.looseObject({ type: z.string(), budget_tokens: z.int().nullish(), display: z.string().nullish() }).nullish(),
  output_config: z.looseObject({ effort: z.string().nullish(), format: outputFormat.nullish() }).nullish(),
  /** The older name of `output_config.format`. */
  output_format: outputFormat.nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.looseObject({ type: z.string(), name: z.string().nullish(), disable_parallel_tool_use: z.boolean().nullish() }).nullish(),
  cache_control: cacheControl,
  context_management: z.looseObject({ edits: z.array(z.looseObject({ type: z.string() })).nullish() }).nullish(),
  mcp_servers: z.array(z.looseObject({ name: z.string() })).nullish(),
}

/** Zero only warms the cache. Doubles lose whole numbers above 2⁵³, which `z.int` refuses. */
const limit = z.int().min(0)

/** @see https://docs.anthropic.com/en/api/messages */
export const messagesRequestSchema = z.looseObject({ ...shared, max_tokens: limit })

/** The same without an answer to limit. @see https://docs.anthropic.com/en/api/messages-count-tokens */
export const countRequestSchema = z.looseObject({ ...shared, max_tokens: limit.nullish() })

export type CountRequest = z.infer<typeof countRequestSchema>
export type MessagesRequest = z.infer<typeof messagesRequestSchema>
