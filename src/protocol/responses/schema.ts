/** The request of Responses as callers write it: loose, so that unknown fields pass. */
import * as z from 'zod'
import { itemSchema } from './item-schema.ts'

/** Longer than any model id; a bound so that no error or log carries a megabyte. */
const MAX_MODEL_CHARACTERS = 512

/** What the vendor takes; more is nobody's labels. */
const MAX_METADATA_PAIRS = 16

const limit = z.int().positive().nullish()
const number = z.number().nullish()
const text = z.string().nullish()

/**
 * Names of what an answer shall include are dotted paths into items: new ones pass, and what is no path is refused.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/create, `include`
 */
const includable = z.string().regex(/^[a-z]+(?:_[a-z]+)*(?:\.[a-z]+(?:_[a-z]+)*)+$/)

const metadata = z.record(z.string(), z.unknown()).check((context) => {
  if (Object.keys(context.value).length <= MAX_METADATA_PAIRS) return
  context.issues.push({ code: 'custom', message: `must have at most ${MAX_METADATA_PAIRS} pairs`, input: undefined, path: [] })
})

const tool = z.looseObject({ type: z.string() })
export type WireTool = z.infer<typeof tool>

/** @see https://platform.openai.com/docs/api-reference/responses/create, `text.format` */
const format = z.looseObject({
  type: z.string(),
  name: text,
  description: text,
  schema: z.unknown().optional(),
  strict: z.boolean().nullish(),
})

const fields = {
  /** Absent only beside our own `models`. */
  model: z.string().min(1).max(MAX_MODEL_CHARACTERS).nullish(),
  input: z.union([z.string(), z.array(itemSchema)]).nullish(),
  instructions: text,
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({}).nullish(),
  max_output_tokens: limit,
  max_tool_calls: limit,
  temperature: number,
  top_p: number,
  top_logprobs: z.int().min(0).nullish(),
  /** These two are Open Responses'. */
  presence_penalty: number,
  frequency_penalty: number,
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.looseObject({ format: format.nullish(), verbosity: text }).nullish(),
  reasoning: z.looseObject({ effort: text, summary: text, generate_summary: text }).nullish(),
  include: z.array(includable).nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  previous_response_id: z.string().min(1).max(200).nullish(),
  conversation: z.union([z.string(), z.looseObject({ id: z.string() })]).nullish(),
  prompt: z.looseObject({ id: z.string() }).nullish(),
  metadata: metadata.nullish(),
  context_management: z.array(z.unknown()).nullish(),
} as const

/** What stands for input, or comes before it, at the vendor. */
const standIns = ['prompt', 'previous_response_id', 'conversation'] as const

/** @see https://platform.openai.com/docs/api-reference/responses/create */
export const responsesRequestSchema = z.looseObject(fields).check(({ value, issues }) => {
  if ([value.input, ...standIns.map((name) => value[name])].some((given) => given !== undefined && given !== null)) return
  issues.push({ code: 'custom', message: `is missing, and so is ${standIns.join(', ')}`, input: undefined, path: ['input'] })
})
export type ResponsesRequest = z.infer<typeof responsesRequestSchema>

/** A request that only counts its tokens may leave all of that out. */
export const countRequestSchema = z.looseObject(fields)
