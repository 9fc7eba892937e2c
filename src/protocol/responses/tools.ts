/** Decodes the tools of a Responses request, and which of them the model may or must call. */
import type { JsonSchema, Tool, ToolChoice, ToolOrigin, UnknownField } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { unmodelled } from '../unmodelled.ts'
import { clientToolOf } from './client-tools.ts'
import { modelledNamespace, modelledTool } from './modelled.ts'
import type { ResponsesRequest, WireTool } from './schema.ts'

type Json = Readonly<Record<string, unknown>>

const WIRE = 'responses'

/** Between a namespace and the name of a tool in it, where a wire has no namespaces. */
export const NAMESPACE_MARK = '__'

/** Writes the one name that a tool of a namespace has elsewhere. */
export function flatName(namespace: unknown, name: string): string {
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}${NAMESPACE_MARK}${name}` : name
}

/** The vendor's hosted tools by the families all wires share; whatever else comes is a family of its own. */
const hostedFamilies: ReadonlyMap<string, string> = new Map([
  ['web_search', 'web_search'],
  ['web_search_2025_08_26', 'web_search'],
  ['web_search_preview', 'web_search'],
  ['web_search_preview_2025_03_11', 'web_search'],
  ['code_interpreter', 'code_execution'],
])

/**
 * Decodes tools in order; those of a namespace become functions with the namespace in their name, and one declared twice
 * counts once (a search gives back tools that are known already).
 *
 * @throws RouteplaneError `invalid_request` for a tool without a name.
 */
export function decodeTools(given: readonly { readonly tool: Json; readonly path: string }[], unknown: UnknownField[]): readonly Tool[] {
  const tools = given.flatMap(({ tool, path }) => decodeTool(tool, path, unknown))
  const names = new Set<string>()
  return tools.filter((tool) => {
    if (tool.type === 'hosted') return true
    if (names.has(tool.name)) return false
    names.add(tool.name)
    return true
  })
}

function decodeTool(raw: Json, path: string, unknown: UnknownField[]): readonly Tool[] {
  const type = raw['type']
  if (type === 'function' || type === 'custom') return [decodeNamed(raw, path, unknown)]
  if (type === 'namespace') return decodeNamespace(raw, path, unknown)
  const client = clientToolOf(raw)
  if (client !== undefined) {
    const origin: ToolOrigin = { wire: WIRE, family: client.family, raw }
    return [{ type: 'function', name: client.family, ...client.describe(raw), origin }]
  }
  if (type === 'computer' || type === 'computer_use_preview') {
    return [{ type: 'client-builtin', family: 'computer', name: type, wire: WIRE, raw }]
  }
  if (type === 'tool_search') {
    // All tools are loaded at once, so that there is nothing left to search for.
    unknown.push({ path, value: raw })
    return []
  }
  if (typeof type !== 'string') throw invalidRequest(`${path}.type`, 'is missing or of the wrong type')
  const { type: _, ...config } = raw
  return [{ type: 'hosted', family: hostedFamilies.get(type) ?? type, wire: WIRE, config, raw }]
}

function decodeNamespace(raw: Json, path: string, unknown: UnknownField[]): readonly Tool[] {
  const namespace = nameOf(raw, path)
  unknown.push(...unmodelled(raw, modelledNamespace, path))
  const inner = Array.isArray(raw['tools']) ? (raw['tools'] as readonly unknown[]) : []
  return inner.filter(isRecord).map((tool, index) => {
    const decoded = decodeNamed(tool, `${path}.tools[${index}]`, unknown)
    const name = flatName(namespace, decoded.name)
    return { ...decoded, name, origin: { wire: WIRE, family: 'namespace', raw: { namespace, name: decoded.name } } }
  })
}

function decodeNamed(raw: Json, path: string, unknown: UnknownField[]): Extract<Tool, { type: 'function' | 'freeform' }> {
  unknown.push(...unmodelled(raw, modelledTool, path))
  const named = { name: nameOf(raw, path), ...defined({ description: asText(raw['description']) }) }
  if (raw['type'] === 'custom') return { type: 'freeform', ...named, ...defined({ grammar: decodeGrammar(raw['format'], path) }) }
  const { strict } = raw
  return { type: 'function', ...named, schema: asSchema(raw['parameters']), ...(typeof strict === 'boolean' ? { strict } : {}) }
}

function nameOf(raw: Json, path: string): string {
  const name = raw['name']
  if (typeof name !== 'string' || name === '') throw invalidRequest(`${path}.name`, 'is missing')
  return name
}

function decodeGrammar(format: unknown, path: string): { readonly syntax: 'lark' | 'regex'; readonly definition: string } | undefined {
  if (!isRecord(format) || format['type'] === 'text') return undefined
  const { syntax, definition } = format
  if (format['type'] !== 'grammar' || (syntax !== 'lark' && syntax !== 'regex') || typeof definition !== 'string') {
    throw invalidRequest(`${path}.format`, 'must be text, or a lark or regex grammar with its definition')
  }
  return { syntax, definition }
}

/** A tool without parameters takes an empty object. */
export function asSchema(value: unknown): JsonSchema {
  if (typeof value === 'boolean' || isRecord(value)) return value
  return { type: 'object', properties: {} }
}

/**
 * Decodes `tool_choice`. A hosted tool is named by its type.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/create, `tool_choice`
 */
export function decodeToolChoice(choice: ResponsesRequest['tool_choice']): ToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice === 'string') {
    if (choice === 'auto' || choice === 'none' || choice === 'required') return { mode: choice }
    throw invalidRequest('tool_choice', 'must be auto, none, required or a tool')
  }
  if (choice.type === 'allowed_tools') return decodeAllowed(choice)
  return { mode: 'tool', name: chosenName(choice) ?? choice.type }
}

function decodeAllowed(choice: Json): ToolChoice {
  const tools = Array.isArray(choice['tools']) ? (choice['tools'] as readonly unknown[]) : []
  const allowed = tools.map((tool, index) => {
    const name = isRecord(tool) ? (chosenName(tool) ?? asText(tool['type'])) : undefined
    if (name === undefined) throw invalidRequest(`tool_choice.tools[${index}]`, 'must name a tool')
    return name
  })
  return { mode: choice['mode'] === 'required' ? 'required' : 'auto', allowed }
}

function chosenName(choice: Json): string | undefined {
  const name = asText(choice['name'])
  if (name === undefined || (choice['type'] !== 'function' && choice['type'] !== 'custom')) return undefined
  return flatName(choice['namespace'], name)
}

/** Tells whether a request cannot be answered without a hosted tool: it is chosen, or there is nothing else to call. */
export function needsHosted(json: ResponsesRequest, isOfFamily: (tool: WireTool) => boolean): boolean {
  const tools = json.tools ?? []
  if (!tools.some(isOfFamily)) return false
  const choice = json.tool_choice
  if (isRecord(choice) && isOfFamily(choice)) return true
  return tools.every(isOfFamily)
}

/** Tells whether a declaration, or a choice, is of web search in any of its versions. */
export function isWebSearch(tool: { readonly type: string }): boolean {
  return hostedFamilies.get(tool.type) === 'web_search'
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
