/** Tools that the vendor defines and the caller runs, as the functions that other models can call in their place. */
import type { JsonSchema } from '../../completion/request.ts'

type Json = Readonly<Record<string, unknown>>

/** The function that does the same: its calls have the very input that the vendor's own have. */
export type ClientTool = { readonly family: string; readonly description: string; readonly schema: JsonSchema }

const text = { type: 'string' } as const
const line = { type: 'integer' } as const
const range = { type: 'array', items: line } as const

function object(properties: Json, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required }
}

function commands(...names: readonly string[]): Json {
  return { type: 'string', enum: names }
}

const edits: Json = { path: text, file_text: text, old_str: text, new_str: text, insert_line: line, insert_text: text, view_range: range }

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/bash-tool */
const bash: ClientTool = {
  family: 'bash',
  description: 'Runs a command in a shell that keeps its state between calls. With `restart` the shell begins anew.',
  schema: object({ command: text, restart: { type: 'boolean' } }, []),
}

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/text-editor-tool */
const textEditor: ClientTool = {
  family: 'text_editor',
  description:
    'Views, creates and edits text files. `view` takes path and view_range; `create` path and file_text; `str_replace` path, ' +
    'old_str (which must stand in the file exactly once) and new_str; `insert` path, insert_line and insert_text.',
  schema: object({ command: commands('view', 'create', 'str_replace', 'insert', 'undo_edit'), ...edits }, ['command', 'path']),
}

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/memory-tool */
const memory: ClientTool = {
  family: 'memory',
  description:
    'Keeps notes in files below /memories across conversations: `view`, `create`, `str_replace`, `insert` and `delete` take path, ' +
    '`rename` takes old_path and new_path.',
  schema: object(
    { command: commands('view', 'create', 'str_replace', 'insert', 'delete', 'rename'), ...edits, old_path: text, new_path: text },
    ['command'],
  ),
}

const families = [bash, textEditor, memory] as const

/** Tools that only models trained for them can use. */
const trained = ['computer', 'browser'] as const

const dated = /^([a-z_]+?)_(?:toolset_)?\d{8}$/

/** Names the family of a typed tool, its date left out: `web_search_20250305` is `web_search`. */
export function familyOf(type: string): string {
  return dated.exec(type)?.[1] ?? type
}

/** Finds the function behind a typed tool; `undefined` when there is none. */
export function clientToolOf(type: string): ClientTool | undefined {
  return families.find(({ family }) => family === familyOf(type))
}

export function needsTraining(type: string): boolean {
  return trained.some((family) => family === familyOf(type))
}
