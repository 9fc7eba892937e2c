/** Encodes the format an answer shall have. */
import type { CompletionRequest, OutputFormat } from '../../completion/request.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import type { Restore } from '../restore.ts'
import { lowerSchema } from '../schema-lowering.ts'
import type { ModelTraits } from './generation.ts'

export type EncodedOutput = {
  readonly config: Readonly<Record<string, unknown>>
  readonly restore: Pick<Restore, 'schema' | 'enumWrapped' | 'rootWrapped'>
  /** What must be asked for in words. */
  readonly instruction?: string
}

type Work = { readonly traits: ModelTraits; readonly losses: Loss[] }

const JSON_TYPE = 'application/json'

/**
 * Writes the format.
 *
 * Models before the third generation refuse functions beside a format: it is then asked for in the instructions, and the
 * answer is judged by the schema.
 *
 * @see https://ai.google.dev/gemini-api/docs/structured-output
 */
export function encodeOutput({ output, tools }: CompletionRequest, { traits, losses }: Work): EncodedOutput {
  if (output.kind === 'text') return { config: {}, restore: {} }
  if (tools.length > 0 && !traits.mixesTools) return encodeAsWords(output, losses)
  switch (output.kind) {
    case 'json':
      return { config: { responseMimeType: JSON_TYPE }, restore: {} }
    case 'enum':
      return {
        config: { responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING', enum: output.values } },
        restore: {},
      }
    case 'schema': {
      const lowered = lowerSchema(output.schema, 'google-json', { path: 'response_format' })
      losses.push(...lowered.losses)
      if (output.description !== undefined && typeof lowered.schema['description'] === 'string')
        losses.push(unsupported('response_format', 'schema.annotation', 'the schema has a description of its own'))
      const schema = output.description === undefined ? lowered.schema : { description: output.description, ...lowered.schema }
      return {
        config: { responseMimeType: JSON_TYPE, responseJsonSchema: schema },
        restore: {
          ...(lowered.weakened ? { schema: output.schema } : {}),
          ...(lowered.wrapped ? { rootWrapped: true } : {}),
        },
      }
    }
  }
}

function encodeAsWords(output: Exclude<OutputFormat, { kind: 'text' }>, losses: Loss[]): EncodedOutput {
  const how = 'the model takes no format beside functions: it is asked for in the instructions'
  losses.push(
    approximated(
      'response_format',
      output.kind === 'schema' ? 'output.schema' : output.kind === 'enum' ? 'output.enum' : 'output.json',
      how,
    ),
  )
  switch (output.kind) {
    case 'json':
      return { config: {}, restore: {}, instruction: 'Give your final answer as one JSON object and nothing else: no fence, no comment.' }
    case 'enum':
      return {
        config: {},
        restore: {},
        instruction: `Give as your final answer one of these and nothing else: ${output.values.join(', ')}`,
      }
    case 'schema': {
      const schema = JSON.stringify(output.schema)
      const instruction = `Give your final answer as JSON and nothing else, no fence, no comment. It must fit this JSON Schema: ${schema}`
      return { config: {}, restore: { schema: output.schema }, instruction }
    }
  }
}
