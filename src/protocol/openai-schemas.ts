/** Schemas of functions and answers as both of OpenAI's wires take them: strictly where they can be bound to, freely where not. */
import type { CompletionRequest, JsonSchema, Tool } from '../completion/request.ts'
import { approximated, type Loss } from './loss.ts'
import { lowerSchema } from './schema-lowering.ts'
import { WRAPPED_MEMBER, type Restore } from './restore.ts'

/** A function's schema, and whether its calls are bound to it. */
export type LoweredFunction = { readonly schema: JsonSchema; readonly strict: boolean; readonly losses: readonly Loss[] }

/**
 * Lowers the schema of a function. A strict one that the vendor's subset cannot say goes out unbound rather than not at all.
 *
 * @see https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
export function lowerFunction(tool: Extract<Tool, { type: 'function' }>, path: string): LoweredFunction {
  const losses: Loss[] = []
  const options = { purpose: 'tool', path: `${path}.parameters` } as const
  if (tool.strict === true) {
    const bound = lowerSchema(tool.schema, 'openai-strict', options)
    if (!isRefused(bound.losses)) return { schema: bound.schema, strict: true, losses: bound.losses }
    losses.push(approximated(path, 'tool.strict', 'the schema is outside of what strict mode takes, so that it is not enforced'))
  }
  const free = lowerSchema(tool.schema, 'openai', options)
  return { schema: free.schema, strict: false, losses: [...losses, ...free.losses] }
}

/** The format of an answer, ready for either wire. `kind` tells which of their three forms it takes. */
export type LoweredOutput = {
  readonly format: OpenAiFormat
  readonly losses: readonly Loss[]
  readonly restore: Pick<Restore, 'enumWrapped' | 'rootWrapped' | 'schema'>
}

export type OpenAiFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema'
      readonly name: string
      readonly description?: string
      readonly schema: JsonSchema
      /** Absent when the caller said nothing: every server has its own default. */
      readonly strict?: boolean
    }

const PATH = 'output.schema'

/** Lowers the format of an answer. An enum goes out as an object with one member, and comes back as what it is. */
export function lowerOutput({ output }: Pick<CompletionRequest, 'output'>): LoweredOutput {
  switch (output.kind) {
    case 'text':
    case 'json':
      return { format: { kind: output.kind }, losses: [], restore: {} }
    case 'enum':
      return lowerEnum(output.values)
    case 'schema':
      return lowerAnswer(output)
  }
}

function lowerEnum(values: readonly string[]): LoweredOutput {
  const schema = {
    type: 'object',
    properties: { [WRAPPED_MEMBER]: { type: 'string', enum: values } },
    required: [WRAPPED_MEMBER],
    additionalProperties: false,
  }
  return {
    format: { kind: 'schema', name: 'answer', schema, strict: true },
    losses: [approximated('output', 'output.enum', 'the value is asked for in an object and taken out of it')],
    restore: { enumWrapped: true },
  }
}

type SchemaOutput = Extract<CompletionRequest['output'], { kind: 'schema' }>

/** A strict schema outside of the vendor's subset goes out unbound, and the answer is judged by the caller's own. */
function lowerAnswer(output: SchemaOutput): LoweredOutput {
  const { description, strict } = output
  const head = { kind: 'schema', name: wireName(output.name), ...(description === undefined ? {} : { description }) } as const
  if (strict !== true) {
    const { schema, losses } = lowerSchema(output.schema, 'openai', { path: PATH })
    return { format: { ...head, schema, ...(strict === undefined ? {} : { strict }) }, losses, restore: {} }
  }
  const { schema, losses, wrapped, weakened } = lowerSchema(output.schema, 'openai-strict', { path: PATH })
  if (isRefused(losses)) {
    const free = lowerSchema(output.schema, 'openai', { path: PATH })
    const loss = approximated(PATH, 'tool.strict', 'the schema is outside of what strict mode takes, so that it is not enforced')
    const format = { ...head, schema: free.schema, strict: false }
    return { format, losses: [...free.losses, loss], restore: { schema: output.schema } }
  }
  const restore = { ...(wrapped ? { rootWrapped: true } : {}), ...(weakened ? { schema: output.schema } : {}) }
  return { format: { ...head, schema, strict: true }, losses, restore }
}

/** @see https://platform.openai.com/docs/api-reference/chat/create, `response_format.json_schema.name` */
function wireName(name: string | undefined): string {
  return (name ?? 'answer').replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || 'answer'
}

function isRefused(losses: readonly Loss[]): boolean {
  return losses.some(({ action }) => action === 'refused')
}
