/** What becomes of tools that another wire does not have: they go out as functions, are left out or refused, and that is reported. */
import type { CompletionRequest, Tool } from '../completion/request.ts'
import { isRecord } from '../lib/json.ts'
import { approximated, omitted, refusal, type Loss } from './loss.ts'
import { FREEFORM_MEMBER } from './restore.ts'

type Callable = Extract<Tool, { type: 'function' | 'freeform' }>

/** Gives the loss of offering a tool as a function though its caller declared something else. */
export function lossesOfOrigin({ origin }: Callable, path: string): readonly Loss[] {
  if (origin === undefined) return []
  if (origin.family === 'namespace') return [approximated(path, 'tool.namespace', 'the namespace is written in front of the name')]
  return [approximated(path, 'tool.client_builtin', 'it is offered as a function')]
}

/** A function that stands for a free-form tool; its calls are unwrapped by {@link Restore.freeformTools}. */
export type FreeformFunction = {
  readonly description: string | undefined
  readonly schema: Readonly<Record<string, unknown>>
  readonly losses: readonly Loss[]
}

/** Makes a function with one text of a free-form tool; a grammar, which nothing enforces then, is told in words. */
export function freeformFunction(tool: Extract<Tool, { type: 'freeform' }>, path: string): FreeformFunction {
  const { grammar } = tool
  const rule = grammar === undefined ? undefined : `The text must follow this ${grammar.syntax} grammar:\n${grammar.definition}`
  const description = [tool.description, rule].filter((text) => text !== undefined && text !== '').join('\n\n')
  return {
    description: description === '' ? undefined : description,
    schema: {
      type: 'object',
      properties: { [FREEFORM_MEMBER]: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: [FREEFORM_MEMBER],
      additionalProperties: false,
    },
    losses: [approximated(path, 'tool.freeform', 'it is offered as a function that takes one text, and its calls are unwrapped')],
  }
}

/**
 * Gives the loss of a search that the upstream does not have. Coding agents declare one with every request beside tools of
 * their own, and live without it; who declares nothing else, or insists on it, wants what it finds.
 */
export function lossOfSearch({ tools, toolChoice }: CompletionRequest, path: string, how: string): Loss {
  const own = tools.flatMap((tool) => (tool.type === 'hosted' ? [] : [tool.name]))
  const isInsisted = toolChoice?.mode === 'tool' && !own.includes(toolChoice.name)
  return own.length === 0 || isInsisted ? refusal(path, 'tool.web_search', how) : omitted(path, 'tool.web_search', how)
}

/** Tells whether code is to run in a container that its caller has made at the vendor, or with files that are there. */
export function usesOwnContainer({ container }: Readonly<Record<string, unknown>>): boolean {
  const files = isRecord(container) ? container['file_ids'] : undefined
  return typeof container === 'string' || (Array.isArray(files) && files.length > 0)
}
