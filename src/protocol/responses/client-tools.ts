/** Tools that the vendor defines and the caller runs: offered to other models as functions, and given back in their own shape. */
import type { JsonSchema, ToolOrigin } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'

type Json = Readonly<Record<string, unknown>>

/** One such tool: how it is declared, called and answered on this wire, and as which function it goes out. */
export type ClientTool = {
  /** Its `type` among the tools, and the name of the function. */
  readonly family: string
  readonly callType: string
  readonly outputType: string
  readonly describe: (raw: Json) => { readonly description: string; readonly schema: JsonSchema }
  /** The members of the call's item that hold its arguments; `undefined` when these arguments make no such call. */
  readonly toItem: (value: unknown) => Json | undefined
  readonly toArguments: (item: Json) => unknown
  readonly toResult: (item: Json) => unknown
}

const text = { type: 'string' } as const
const texts = { type: 'array', items: text } as const
const count = { type: 'integer', minimum: 0 } as const

function closed(properties: Json, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** @see https://platform.openai.com/docs/guides/tools-tool-search, `execution: client` */
const toolSearch: ClientTool = {
  family: 'tool_search',
  callType: 'tool_search_call',
  outputType: 'tool_search_output',
  describe: (raw) => ({
    description: typeof raw['description'] === 'string' ? raw['description'] : 'Finds further tools by what they do.',
    schema: isRecord(raw['parameters']) ? raw['parameters'] : closed({ query: text }, ['query']),
  }),
  toItem: (value) => (isRecord(value) ? { execution: 'client', arguments: value } : undefined),
  toArguments: (item) => item['arguments'] ?? {},
  toResult: (item) => ({ tools: item['tools'] ?? [] }),
}

/** @see https://platform.openai.com/docs/guides/tools-local-shell */
const localShell: ClientTool = {
  family: 'local_shell',
  callType: 'local_shell_call',
  outputType: 'local_shell_call_output',
  describe: () => ({
    description: 'Runs one command on the local machine and gives its output.',
    schema: closed({ command: texts, working_directory: text, timeout_ms: count, env: { type: 'object', additionalProperties: text } }, [
      'command',
    ]),
  }),
  toItem: (value) => {
    if (!isRecord(value) || !isTexts(value['command'])) return undefined
    return { action: { type: 'exec', env: {}, ...value } }
  },
  toArguments: (item) => (isRecord(item['action']) ? without(item['action'], 'type') : {}),
  toResult: (item) => item['output'] ?? '',
}

/** @see https://platform.openai.com/docs/guides/tools-shell, local execution */
const shell: ClientTool = {
  family: 'shell',
  callType: 'shell_call',
  outputType: 'shell_call_output',
  describe: () => ({
    description: 'Runs shell commands one after another and gives the output of each.',
    schema: closed({ commands: texts, timeout_ms: count, max_output_length: count }, ['commands']),
  }),
  toItem: (value) => {
    if (!isRecord(value) || !isTexts(value['commands'])) return undefined
    const { commands, timeout_ms: timeout = null, max_output_length: length = null } = value
    return { action: { commands, timeout_ms: timeout, max_output_length: length }, environment: { type: 'local' } }
  },
  toArguments: (item) => item['action'] ?? {},
  toResult: (item) => item['output'] ?? '',
}

/** @see https://platform.openai.com/docs/guides/tools-apply-patch */
const applyPatch: ClientTool = {
  family: 'apply_patch',
  callType: 'apply_patch_call',
  outputType: 'apply_patch_call_output',
  describe: () => ({
    description: 'Creates, changes or deletes one file. `diff` is a V4A diff; it is left out when a file is deleted.',
    schema: closed(
      {
        operation: closed({ type: { type: 'string', enum: ['create_file', 'update_file', 'delete_file'] }, path: text, diff: text }, [
          'type',
          'path',
        ]),
      },
      ['operation'],
    ),
  }),
  toItem: (value) => {
    const operation = isRecord(value) ? value['operation'] : undefined
    if (!isRecord(operation) || typeof operation['path'] !== 'string') return undefined
    if (operation['type'] === 'delete_file') return { operation }
    const isWhole = (operation['type'] === 'create_file' || operation['type'] === 'update_file') && typeof operation['diff'] === 'string'
    return isWhole ? { operation } : undefined
  },
  toArguments: (item) => ({ operation: item['operation'] ?? {} }),
  toResult: (item) => defined({ status: item['status'], output: item['output'] ?? undefined }),
}

export const clientTools: readonly ClientTool[] = [toolSearch, localShell, shell, applyPatch]

/** Finds the tool that a declaration names; one that runs at the vendor is none. */
export function clientToolOf(raw: Json): ClientTool | undefined {
  if (raw['type'] === 'tool_search' && raw['execution'] !== 'client') return undefined
  if (raw['type'] === 'shell' && isRecord(raw['environment']) && raw['environment']['type'] !== 'local') return undefined
  return clientTools.find(({ family }) => family === raw['type'])
}

/** Finds the tool behind a function that was made of one. */
export function clientToolFrom(origin: ToolOrigin | undefined): ClientTool | undefined {
  if (origin?.wire !== 'responses') return undefined
  return clientTools.find(({ family }) => family === origin.family)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function without(record: Json, name: string): Json {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name))
}
