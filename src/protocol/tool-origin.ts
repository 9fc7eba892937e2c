/** What becomes of tools that another wire does not have: they go out as functions, are left out or refused, and that is reported. */
import type { CompletionRequest, Tool } from '../completion/request.ts'
import { isRecord } from '../lib/json.ts'
import { approximated, omitted, refusal, type Loss, type LossFeature } from './loss.ts'
import { FREEFORM_MEMBER } from './restore.ts'
import { taken, unmodelled, type Modelled, type ModelledMembers } from './unmodelled.ts'

type Callable = Extract<Tool, { type: 'function' | 'freeform' }>
type Hosted = Extract<Tool, { type: 'hosted' }>

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

/** Where a search is made for, in any spelling of it. */
const place = taken(['type', 'city', 'region', 'country', 'timezone'])
export const searchPlace: ModelledMembers = { user_location: { ...place, approximate: place } }

/** The setting of code execution that says what would be without it. */
export const newContainer: ModelledMembers = { container: taken(['type', 'file_ids']) }

/** A tool that is offered by its name alone. */
export const noSettings: ModelledMembers = {}

/**
 * Reports each setting of a tool that its counterpart at the other vendor is not given.
 *
 * @param carried - The settings that it is given.
 */
export function lossesOfSettings({ config }: Hosted, carried: Modelled, path: string, feature: LossFeature): readonly Loss[] {
  return unmodelled(config, carried, path)
    .filter(({ path: where, value }) => !isIdle(where.slice(where.lastIndexOf('.') + 1), value))
    .map(({ path: where }) => omitted(where, feature, 'the tool of this vendor is not given it'))
}

/** What is switched off says nothing, but for the one switch that is on by itself; nor does it to be called by the model alone. */
function isIdle(name: string, value: unknown): boolean {
  if (name === 'external_web_access') return value !== false
  if (name === 'allowed_callers') return Array.isArray(value) && value.every((caller) => caller === 'direct')
  return value === false
}

/** Tells whether code is to run in a container that its caller has made at the vendor, or with files that are there. */
export function usesOwnContainer({ container }: Readonly<Record<string, unknown>>): boolean {
  const files = isRecord(container) ? container['file_ids'] : undefined
  return typeof container === 'string' || (Array.isArray(files) && files.length > 0)
}
