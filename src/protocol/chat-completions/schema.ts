/** The request of Chat Completions as callers write it: loose, so that unknown fields pass. */
import * as z from 'zod'
import { isRecord } from '../../lib/json.ts'

/** Longer than any model id; a bound so that no error or log carries a megabyte. */
const MAX_MODEL_CHARACTERS = 512

/** Doubles lose whole numbers above 2⁵³: `z.int` refuses those, so that no limit is read as another. */
const limit = z.int().positive().nullish()
const number = z.number().nullish()
const strings = z.array(z.string())

/** By the web or inline: never a scheme that would read a file on somebody's machine. */
const mediaUrl = z.string().check((context) => {
  if (/^(?:https?:\/\/|data:)/i.test(context.value)) return
  context.issues.push({ code: 'custom', message: 'must be an http(s) or data: URL', input: context.value, path: [] })
})

/** Passed on as it is: a record schema would lose a member called `__proto__`. */
const logitBias = z.custom<Record<string, number>>(
  (value) => isRecord(value) && Object.values(value).every((bias) => typeof bias === 'number'),
  'must map token ids to numbers',
)

const cacheFields = {
  prompt_cache_breakpoint: z.looseObject({ ttl: z.string().nullish() }).nullish(),
  cache_control: z.looseObject({ ttl: z.string().nullish() }).nullish(),
}

/** @see https://platform.openai.com/docs/api-reference/chat/create#chat_create-messages */
export const textPart = z.looseObject({ type: z.literal('text'), text: z.string(), ...cacheFields })
export const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() })
export const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: mediaUrl, detail: z.enum(['auto', 'low', 'high', 'original']).nullish() }),
  ...cacheFields,
})
export const audioPart = z.looseObject({
  type: z.literal('input_audio'),
  input_audio: z.looseObject({ data: z.string(), format: z.string() }),
  ...cacheFields,
})
export const filePart = z.looseObject({
  type: z.literal('file'),
  file: z.looseObject({ file_data: z.string().nullish(), file_id: z.string().nullish(), filename: z.string().nullish() }),
  ...cacheFields,
})
/** Not OpenAI's, but what compatible vendors take for moving pictures. */
export const videoPart = z.looseObject({ type: z.literal('video_url'), video_url: z.looseObject({ url: mediaUrl }), ...cacheFields })

const knownParts: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['text', textPart],
  ['refusal', refusalPart],
  ['image_url', imagePart],
  ['input_audio', audioPart],
  ['file', filePart],
  ['video_url', videoPart],
])

/** A part of a known type must be whole; one of an unknown type is somebody's extension and passes. */
const part = z.looseObject({ type: z.string() }).check((context) => {
  const result = knownParts.get(context.value.type)?.safeParse(context.value)
  for (const issue of result?.error?.issues ?? []) {
    const message = issue.code === 'custom' ? issue.message : 'is missing or of the wrong type'
    context.issues.push({ code: 'custom', message, input: context.value, path: [...issue.path] })
  }
})
export type Part = z.infer<typeof part>

const content = z.union([z.string(), z.array(part)])
const name = z.string().nullish()

/** One call in a request's history; `arguments` is text by the reference, and an object in some clients. */
const toolCall = z.looseObject({
  id: z.string().nullish(),
  type: z.string().nullish(),
  function: z.looseObject({ name: z.string(), arguments: z.unknown() }).nullish(),
  custom: z.looseObject({ name: z.string(), input: z.string() }).nullish(),
})
export type ToolCall = z.infer<typeof toolCall>

const assistantMessage = z.looseObject({
  role: z.literal('assistant'),
  content: content.nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
  function_call: z.looseObject({ name: z.string(), arguments: z.string() }).nullish(),
  audio: z.looseObject({ id: z.string() }).nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  reasoning_details: z.array(z.unknown()).nullish(),
  name,
})
export type AssistantMessage = z.infer<typeof assistantMessage>

const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content, name }),
  z.looseObject({ role: z.literal('developer'), content, name }),
  z.looseObject({ role: z.literal('user'), content, name }),
  assistantMessage,
  z.looseObject({ role: z.literal('tool'), content: content.nullish(), tool_call_id: z.string(), name }),
  z.looseObject({ role: z.literal('function'), content: content.nullish(), name: z.string() }),
])
export type Message = z.infer<typeof message>

const tool = z.looseObject({
  type: z.string(),
  function: z.looseObject({ name: z.string() }).nullish(),
  custom: z.looseObject({ name: z.string() }).nullish(),
})
export type WireTool = z.infer<typeof tool>

/** @see https://platform.openai.com/docs/api-reference/chat/create */
export const chatRequestSchema = z
  .looseObject({
    /** Absent only beside our own `models`. */
    model: z.string().min(1).max(MAX_MODEL_CHARACTERS).nullish(),
    messages: z.array(message).min(1),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: limit,
    max_completion_tokens: limit,
    n: z.int().positive().max(128).nullish(),
    stop: z.union([z.string(), strings]).nullish(),
    temperature: number,
    top_p: number,
    top_k: number,
    min_p: number,
    top_a: number,
    frequency_penalty: number,
    presence_penalty: number,
    repetition_penalty: number,
    seed: number,
    logit_bias: logitBias.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).nullish(),
    reasoning_effort: z.string().nullish(),
    reasoning: z
      .looseObject({
        effort: z.string().nullish(),
        max_tokens: limit,
        enabled: z.boolean().nullish(),
        exclude: z.boolean().nullish(),
      })
      .nullish(),
    enable_thinking: z.boolean().nullish(),
    tools: z.array(tool).nullish(),
    tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    functions: z.array(z.looseObject({ name: z.string() })).nullish(),
    function_call: z.union([z.string(), z.looseObject({ name: z.string() })]).nullish(),
    response_format: z.looseObject({ type: z.string() }).nullish(),
    modalities: strings.nullish(),
    web_search_options: z.looseObject({}).nullish(),
  })
  .check((context) => {
    const { stream, stream_options: options } = context.value
    if (options === undefined || options === null || stream === true) return
    context.issues.push({ code: 'custom', message: 'is only taken when stream is true', input: options, path: ['stream_options'] })
  })
export type ChatRequest = z.infer<typeof chatRequestSchema>
