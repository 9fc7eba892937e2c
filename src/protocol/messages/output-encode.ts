/** Encodes the form an answer must have for Messages: a schema where the vendor can bind to it, words where it cannot. */
import type { CompletionRequest, JsonSchema } from '../../completion/request.ts'
import { approximated, type Loss } from '../loss.ts'
import { WRAPPED_MEMBER, type Restore } from '../restore.ts'
import { lowerSchema } from '../schema-lowering.ts'

type Json = Readonly<Record<string, unknown>>

export type EncodedOutput = {
  /** For `output_config.format`. */
  readonly format: Json | undefined
  /** What the model must be told because nothing binds it. */
  readonly instruction: string | undefined
  readonly restore: Pick<Restore, 'enumWrapped' | 'rootWrapped' | 'schema'>
}

const free: EncodedOutput = { format: undefined, instruction: undefined, restore: {} }

/** @see https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs */
export function encodeOutput({ output }: CompletionRequest, losses: Loss[]): EncodedOutput {
  switch (output.kind) {
    case 'text':
      return free
    case 'json':
      losses.push(approximated('output', 'output.json', 'the model is told to answer in JSON, and the answer is checked'))
      return told('Answer with one JSON object and nothing else: no prose, no code fence.', { type: 'object' })
    case 'enum':
      losses.push(approximated('output', 'output.enum', 'the choice is asked for as JSON, and unwrapped'))
      return bound(
        {
          type: 'object',
          properties: { [WRAPPED_MEMBER]: { type: 'string', enum: output.values } },
          required: [WRAPPED_MEMBER],
          additionalProperties: false,
        },
        { enumWrapped: true },
      )
    case 'schema':
      return encodeSchema(output.schema, output.description, losses)
  }
}

function bound(schema: Json, restore: EncodedOutput['restore']): EncodedOutput {
  return { format: { type: 'json_schema', schema }, instruction: undefined, restore }
}

function told(instruction: string, schema: JsonSchema): EncodedOutput {
  return { format: undefined, instruction, restore: { schema } }
}

/** A schema out of the vendor's subset is told in words, and the answer is judged by it. */
function encodeSchema(schema: JsonSchema, description: string | undefined, losses: Loss[]): EncodedOutput {
  const { schema: lowered, losses: lost, wrapped, weakened } = lowerSchema(schema, 'anthropic-strict', { path: 'output.schema' })
  if (lost.some(({ action }) => action === 'refused')) {
    losses.push(approximated('output.schema', 'output.schema', 'the schema is told to the model, and the answer is checked'))
    return told(`Answer with JSON that fits this JSON Schema and nothing else, without a code fence:\n${JSON.stringify(schema)}`, schema)
  }
  losses.push(...lost)
  const described = description === undefined || 'description' in lowered ? lowered : { description, ...lowered }
  return bound(described, { ...(wrapped ? { rootWrapped: true } : {}), ...(weakened ? { schema } : {}) })
}
