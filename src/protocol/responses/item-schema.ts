/** The items of a Responses conversation as callers write them. */
import * as z from 'zod'

/** By the web or inline: never a scheme that would read a file on somebody's machine. */
const mediaUrl = z.string().check((context) => {
  if (/^(?:https?:\/\/|data:)/i.test(context.value)) return
  context.issues.push({ code: 'custom', message: 'must be an http(s) or data: URL', input: context.value, path: [] })
})
const text = z.string().nullish()
const cacheFields = { prompt_cache_breakpoint: z.looseObject({ ttl: text }).nullish() }

export const textPart = z.looseObject({ type: z.string(), text: z.string(), ...cacheFields })
export const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() })
export const imagePart = z.looseObject({
  type: z.literal('input_image'),
  image_url: mediaUrl.nullish(),
  file_id: text,
  detail: z.enum(['auto', 'low', 'high', 'original']).nullish(),
  ...cacheFields,
})
export const filePart = z.looseObject({
  type: z.literal('input_file'),
  file_data: text,
  file_url: mediaUrl.nullish(),
  file_id: text,
  filename: text,
  ...cacheFields,
})
export const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
  ...cacheFields,
})

const knownParts: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['input_text', textPart],
  ['output_text', textPart],
  ['text', textPart],
  ['refusal', refusalPart],
  ['input_image', imagePart],
  ['input_file', filePart],
  ['input_audio', audioPart],
])

/** A part of a known type must be whole; one of an unknown type is somebody's extension and passes. */
const part = z.looseObject({ type: z.string() }).check((context) => {
  checkWith(context, knownParts.get(context.value.type))
})
export type Part = z.infer<typeof part>

const content = z.union([z.string(), z.array(part)])

const role = z.enum(['user', 'assistant', 'system', 'developer'])
export const messageItem = z.looseObject({ role, content })
const reasoningText = z.array(z.looseObject({ text: z.string() }))
export const reasoningItem = z.looseObject({
  id: text,
  summary: reasoningText.nullish(),
  content: reasoningText.nullish(),
  encrypted_content: text,
})
export const functionCallItem = z.looseObject({ call_id: z.string(), name: z.string(), arguments: z.string(), namespace: text })
export const customCallItem = z.looseObject({ call_id: z.string(), name: z.string(), input: z.string(), namespace: text })
export const outputItem = z.looseObject({ call_id: text, output: content, name: text })

const knownItems: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['message', messageItem],
  ['reasoning', reasoningItem],
  ['function_call', functionCallItem],
  ['custom_tool_call', customCallItem],
  ['function_call_output', outputItem],
  ['custom_tool_call_output', outputItem],
])

/** Items that only the vendor, or his own clients, understand. */
const vendorItems: ReadonlySet<string> = new Set([
  'additional_tools',
  'compaction',
  'compaction_trigger',
  'configuration_update',
  'item_reference',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_list_tools',
  'program',
  'program_output',
  'tool_search_output',
])

/** Every hosted tool's items are named so, those to come too; Open Responses marks a vendor's own by a colon. */
const VENDOR_NAME = /^(?:[a-z0-9_]+_call(?:_output)?|[a-z0-9_-]+:[a-z0-9_.-]+)$/

/** One item; a message may leave its type out. @see https://platform.openai.com/docs/api-reference/responses/create, `input` */
export const itemSchema = z.looseObject({ type: text }).check((context) => {
  const type = itemType(context.value)
  const known = knownItems.get(type)
  if (known !== undefined) return checkWith(context, known)
  if (vendorItems.has(type) || VENDOR_NAME.test(type)) return
  context.issues.push({ code: 'custom', message: 'is not a known type of item', input: undefined, path: ['type'] })
})
export type Item = z.infer<typeof itemSchema>

export function itemType(item: Readonly<Record<string, unknown>>): string {
  const { type } = item
  if (typeof type === 'string') return type
  return 'role' in item ? 'message' : 'item_reference'
}

type Check = { readonly value: unknown; readonly issues: z.core.$ZodRawIssue[] }

function checkWith(context: Check, schema: z.ZodType | undefined): void {
  for (const issue of schema?.safeParse(context.value).error?.issues ?? []) {
    const inner = innermost(issue)
    const message = inner.code === 'custom' ? inner.message : 'is missing or of the wrong type'
    context.issues.push({ code: 'custom', message, input: undefined, path: [...inner.path] })
  }
}

/** A union complains of all its branches: the one that got furthest is the one that was meant. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors.flatMap((branch) => branch.slice(0, 1).map(innermost)).toSorted((a, b) => b.path.length - a.path.length)[0]
  return inner === undefined || inner.path.length === 0 ? issue : { ...inner, path: [...issue.path, ...inner.path] }
}
