/** What of a Responses request is read, down to its last object: everything else is reported where it is lost. */
import { extensionFields } from '../extensions.ts'
import { bookkeepingFields } from '../openai-fields.ts'
import { taken, type Modelled, type ModelledMembers } from '../unmodelled.ts'
import { responsesRequestSchema } from './schema.ts'

/** Besides, what changes how much the vendor says, but not what is asked. */
export const accountFields = [...bookkeepingFields, 'include', 'truncation', 'client_metadata'] as const

// Probabilities of an answer, and what an SDK has made of its text, come back with the history and say nothing to a model.
const text = taken(['text', 'logprobs', 'parsed'])

/** A part of any other type is kept whole. */
const parts: ReadonlyMap<unknown, ModelledMembers> = new Map<unknown, ModelledMembers>([
  ['input_text', text],
  ['output_text', text],
  ['text', text],
  ['refusal', taken(['refusal'])],
  ['input_image', taken(['image_url', 'file_id', 'detail'])],
  ['input_file', taken(['file_data', 'file_url', 'file_id', 'filename'])],
  ['input_audio', { input_audio: taken(['data', 'format']) }],
])

const content: Modelled = ({ type }) => {
  const own = parts.get(type)
  return own === undefined ? undefined : { ...taken(['type', 'prompt_cache_breakpoint']), ...own }
}

const thought: Modelled = taken(['type', 'text'])
const result: ModelledMembers = { ...taken(['call_id', 'name']), output: content }

const items: ReadonlyMap<string, ModelledMembers> = new Map<string, ModelledMembers>([
  ['message', { content }],
  ['reasoning', { summary: thought, content: thought, encrypted_content: true }],
  ['function_call', taken(['call_id', 'name', 'namespace', 'arguments', 'parsed_arguments'])],
  ['custom_tool_call', taken(['call_id', 'name', 'namespace', 'input'])],
  ['function_call_output', result],
  ['custom_tool_call_output', result],
  // The tools within are read by themselves.
  ['additional_tools', taken(['tools'])],
  ['tool_search_call', taken(['call_id', 'arguments', 'execution'])],
  ['tool_search_output', taken(['call_id', 'tools', 'execution'])],
  ['local_shell_call', taken(['call_id', 'action'])],
  ['local_shell_call_output', taken(['call_id', 'output'])],
  ['shell_call', taken(['call_id', 'action', 'environment'])],
  ['shell_call_output', taken(['call_id', 'output'])],
  ['apply_patch_call', taken(['call_id', 'operation'])],
  ['apply_patch_call_output', taken(['call_id', 'output'])],
])

/** Of an item that is not kept whole; some members every item may have, and they say nothing to a model. */
export function modelledItem(type: string): Modelled {
  return { ...taken(['type', 'id', 'status', 'role']), ...items.get(type) }
}

/** Of a function, or of a tool that takes free text; what is switched off says nothing. */
export const modelledTool: Modelled = (tool) => {
  const off = Object.keys(tool).filter((name) => tool[name] === false)
  return {
    ...taken(['type', 'name', 'description', 'prompt_cache_breakpoint', ...off]),
    ...(tool['type'] === 'custom' ? { format: taken(['type', 'syntax', 'definition']) } : taken(['parameters', 'strict'])),
  }
}

/** Of a namespace, whose tools are read by themselves. That it is none elsewhere, its description too, is a loss of its own. */
export const modelledNamespace: Modelled = taken(['type', 'name', 'description', 'tools'])

/** A tool is chosen by its name, one of the vendor's by its type. */
const choice = ({ type }: Readonly<Record<string, unknown>>): ModelledMembers =>
  taken(type === 'function' || type === 'custom' ? ['type', 'name', 'namespace'] : ['type'])

const { max_tool_calls: _, ...read } = responsesRequestSchema.shape

/** Of everything but items and tools, which the others are for. */
export const modelled: Modelled = {
  ...taken([...Object.keys(read), ...accountFields, ...extensionFields]),
  text: { format: taken(['type', 'name', 'description', 'schema', 'strict']) },
  reasoning: taken(['effort', 'summary', 'generate_summary']),
  tool_choice: (given) => (given['type'] === 'allowed_tools' ? { ...taken(['type', 'mode']), tools: choice } : choice(given)),
  conversation: taken(['id']),
}
