/** What of a generateContent request is read, down to its last object: everything else is reported where it is lost. */
import { isRecord } from '../../lib/json.ts'
import type { UnknownField } from '../../completion/request.ts'
import { taken, unmodelled, type Modelled } from '../unmodelled.ts'
import { generateRequestSchema, generationConfigSchema } from './schema.ts'

type Json = Readonly<Record<string, unknown>>

/** Kinds of parts that no other wire has, which are kept whole. */
export const foreignKinds = ['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse', 'audioTranscription'] as const

const media = { inlineData: taken(['mimeType', 'data']), fileData: taken(['mimeType', 'fileUri']) }

const parts: Modelled = (part) => {
  if (foreignKinds.some((kind) => isRecord(part[kind]))) return undefined
  return {
    ...taken(['text', 'thought', 'thoughtSignature']),
    ...media,
    functionCall: taken(['name', 'args', 'id']),
    functionResponse: { ...taken(['name', 'response', 'id']), parts: media },
    mediaResolution: taken(['level']),
  }
}

/** A hosted tool is kept whole. */
const tools: Modelled = (tool) => ({
  ...taken(Object.keys(tool)),
  functionDeclarations: taken(['name', 'description', 'parameters', 'parametersJsonSchema']),
})

const modelled: Modelled = {
  ...taken(Object.keys(generateRequestSchema.shape)),
  contents: { role: true, parts },
  systemInstruction: { role: true, parts: taken(['text']) },
  tools,
  toolConfig: { functionCallingConfig: taken(['mode', 'allowedFunctionNames']) },
  generationConfig: {
    ...taken(Object.keys(generationConfigSchema.shape)),
    thinkingConfig: taken(['includeThoughts', 'thinkingBudget', 'thinkingLevel']),
  },
}

/** Values that say what would be done without them. */
export const unspecified: ReadonlySet<unknown> = new Set([null, '', 'MEDIA_RESOLUTION_UNSPECIFIED'])

/** Collects what is not read of a body that has its JSON names. */
export function unknownFields(json: Json): UnknownField[] {
  return unmodelled(json, modelled).filter(({ value }) => !unspecified.has(value))
}
