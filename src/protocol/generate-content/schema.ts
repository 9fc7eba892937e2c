/** The request of generateContent as callers write it: loose, so that unknown fields pass. */
import * as z from 'zod'
import { jsonObject } from '../json-object.ts'
import { isRecord } from '../../lib/json.ts'
import { extensionFields } from '../extensions.ts'
import { readWire } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import { toJsonNames } from './field-names.ts'

const text = z.string().nullish()
const flag = z.boolean().nullish()
const number = z.number().nullish()

/** Protobuf's JSON form also takes whole numbers as strings. Doubles lose those above 2⁵³, which are refused. */
const whole = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform(Number),
])
const count = whole.pipe(z.int().positive()).nullish()

const blob = z.looseObject({ mimeType: text, data: z.string() })
const file = z.looseObject({ fileUri: z.string(), mimeType: text })
const functionCall = z.looseObject({ name: z.string().min(1), args: jsonObject.nullish(), id: text })
const functionResponse = z.looseObject({
  name: text,
  id: text,
  response: z.looseObject({}).nullish(),
  parts: z.array(z.looseObject({ inlineData: blob.nullish(), fileData: file.nullish() })).nullish(),
})
export type FunctionResponse = z.infer<typeof functionResponse>

/** The members of which a part has one. @see https://ai.google.dev/api/caching#Part */
const partKinds = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
  'audioTranscription',
] as const

/** A part of no kind that is known is somebody's extension and passes, unless it has nothing at all. */
const part = z
  .looseObject({
    text,
    inlineData: blob.nullish(),
    fileData: file.nullish(),
    functionCall: functionCall.nullish(),
    functionResponse: functionResponse.nullish(),
    thought: flag,
    thoughtSignature: text,
    mediaResolution: z.union([z.string(), z.looseObject({ level: text })]).nullish(),
  })
  .check((context) => {
    const given = partKinds.filter((kind) => context.value[kind] !== undefined && context.value[kind] !== null)
    const isEmpty = Object.keys(context.value).length === 0
    if (given.length <= 1 && !isEmpty) return
    const message = isEmpty ? 'must have text, inlineData, fileData, functionCall or functionResponse' : `has both ${given.join(' and ')}`
    context.issues.push({ code: 'custom', message, input: context.value, path: [] })
  })
export type Part = z.infer<typeof part>

/** @see https://ai.google.dev/api/caching#Content */
const content = z.looseObject({ role: z.enum(['user', 'model', 'function', '']).nullish(), parts: z.array(part).min(1) })
export type WireContent = z.infer<typeof content>

const functionDeclaration = z.looseObject({
  name: z.string().min(1),
  description: text,
  parameters: z.looseObject({}).nullish(),
  parametersJsonSchema: z.unknown().optional(),
})
export type FunctionDeclaration = z.infer<typeof functionDeclaration>

const tool = z.looseObject({ functionDeclarations: z.array(functionDeclaration).nullish() })
export type WireTool = z.infer<typeof tool>

const thinkingConfig = z.looseObject({ includeThoughts: flag, thinkingBudget: whole.nullish(), thinkingLevel: text })

/** @see https://ai.google.dev/api/generate-content#generationconfig */
export const generationConfigSchema = z.looseObject({
  temperature: number,
  topP: number,
  topK: number,
  candidateCount: whole.pipe(z.int().positive().max(128)).nullish(),
  maxOutputTokens: count,
  stopSequences: z.array(z.string()).nullish(),
  responseMimeType: text,
  responseSchema: z.looseObject({}).nullish(),
  responseJsonSchema: z.unknown().optional(),
  responseLogprobs: flag,
  logprobs: whole.pipe(z.int().min(0)).nullish(),
  presencePenalty: number,
  frequencyPenalty: number,
  seed: whole.nullish(),
  responseModalities: z.array(z.string()).nullish(),
  mediaResolution: text,
  thinkingConfig: thinkingConfig.nullish(),
})
export type GenerationConfig = z.infer<typeof generationConfigSchema>

/** @see https://ai.google.dev/api/generate-content#request-body */
export const generateRequestSchema = z.looseObject({
  contents: z.array(content).min(1),
  systemInstruction: z.union([z.string(), z.looseObject({ parts: z.array(part) })]).nullish(),
  tools: z.array(tool).nullish(),
  toolConfig: z
    .looseObject({
      functionCallingConfig: z.looseObject({ mode: text, allowedFunctionNames: z.array(z.string()).nullish() }).nullish(),
    })
    .nullish(),
  cachedContent: text,
  labels: z.record(z.string(), z.string()).nullish(),
  serviceTier: text,
  store: flag,
  continuationToken: text,
  generationConfig: generationConfigSchema.nullish(),
})
export type GenerateRequest = z.infer<typeof generateRequestSchema>

/** Members that are ours, or say again what the path says. */
const besides: ReadonlySet<string> = new Set<string>([...extensionFields, 'model'])

/**
 * Gives a body the names of this wire's JSON form, without our own members.
 *
 * @throws RouteplaneError `invalid_request`.
 */
export function normalise(json: WireRequest['json']): Readonly<Record<string, unknown>> {
  const own = Object.fromEntries(Object.entries(json).filter(([name]) => !besides.has(name)))
  const named = toJsonNames(own)
  return isRecord(named) ? named : {}
}

/** Reads a body that has its names. @throws RouteplaneError `invalid_request` naming the JSON path. */
export function readGenerateRequest(normalised: Readonly<Record<string, unknown>>): GenerateRequest {
  return readWire(generateRequestSchema, normalised)
}
