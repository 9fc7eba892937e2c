/** What of a Chat Completions request is read, down to its last object: everything else is reported where it is lost. */
import { extensionFields } from '../extensions.ts'
import { bookkeepingFields } from '../openai-fields.ts'
import { taken, type Modelled, type ModelledMembers } from '../unmodelled.ts'
import { chatRequestSchema } from './schema.ts'

const cache = taken(['prompt_cache_breakpoint', 'cache_control'])

/** A part of any other type is kept whole. */
const parts: ReadonlyMap<unknown, ModelledMembers> = new Map([
  ['text', { text: true }],
  ['refusal', { refusal: true }],
  ['image_url', { image_url: taken(['url', 'detail']) }],
  ['input_audio', { input_audio: taken(['data', 'format']) }],
  ['file', { file: taken(['file_data', 'file_id', 'filename']) }],
  ['video_url', { video_url: taken(['url']) }],
])

const content: Modelled = ({ type }) => {
  const own = parts.get(type)
  return own === undefined ? undefined : { type: true, ...cache, ...own }
}

const calls: Modelled = {
  // Clients put a stream's calls together with their index, and send them back with it.
  ...taken(['id', 'type', 'index', 'extra_content']),
  // SDKs send back what they have made of an answer's texts: these say nothing to a model.
  function: taken(['name', 'arguments', 'parsed_arguments']),
  custom: taken(['name', 'input']),
}

const messages: Modelled = {
  ...taken([
    'role',
    'parsed',
    'name',
    'refusal',
    'function_call',
    'audio',
    'reasoning_content',
    'reasoning',
    'reasoning_details',
    'tool_call_id',
  ]),
  content,
  tool_calls: calls,
}

const functions = taken(['name', 'description', 'parameters', 'strict'])

const tools: Modelled = ({ type }) =>
  type === 'function' || type === 'custom'
    ? { type: true, function: functions, custom: taken(['name', 'description', 'format']) }
    : undefined

/** The type of a tool is also the name of the member that names it. */
const named = ({ type }: Readonly<Record<string, unknown>>): ModelledMembers =>
  typeof type === 'string' ? { type: true, [type]: taken(['name']) } : { type: true }

const choice: Modelled = (given) =>
  given['type'] === 'allowed_tools' ? { type: true, allowed_tools: { mode: true, tools: named } } : named(given)

export const modelled: Modelled = {
  ...taken([...Object.keys(chatRequestSchema.shape), ...bookkeepingFields, ...extensionFields]),
  messages,
  tools,
  tool_choice: choice,
  functions,
  function_call: taken(['name']),
  reasoning: taken(['effort', 'max_tokens', 'enabled', 'exclude']),
  response_format: { type: true, json_schema: taken(['name', 'description', 'schema', 'strict']) },
}
