/** Encodes the tools of a request, and the choice among them, as this wire has them. */
import type { CompletionRequest, Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, refusal, unsupported, type Loss } from '../loss.ts'
import type { OpenAiTraits } from '../openai-models.ts'
import { lowerFunction } from '../openai-schemas.ts'
import type { RenameTable } from '../rename-table.ts'
import { freeformFunction, lossesOfOrigin, lossesOfSettings, lossOfSearch, searchPlace } from '../tool-origin.ts'
import type { ModelledMembers } from '../unmodelled.ts'

type Json = Readonly<Record<string, unknown>>

export type ToolWork = {
  readonly names: RenameTable
  readonly traits: OpenAiTraits
  readonly losses: Loss[]
  /** Free-form tools that go out as functions, by the caller's names. */
  readonly freeform: Set<string>
}

/** `search` is no tool here but a field of the request. */
export type EncodedTools = { readonly tools: readonly Json[]; readonly choice: unknown; readonly search: Json | undefined }

/** Encodes every tool that may be called; what has no counterpart is a loss. */
export function encodeTools(request: CompletionRequest, work: ToolWork): EncodedTools {
  const only = offeredNames(request, work)
  const offered = request.tools
    .map((tool, index) => ({ tool, path: `tools[${index}]` }))
    .filter(({ tool }) => only === undefined || tool.type === 'hosted' || only.has(tool.name))
  const searches = offered.filter(({ tool }) => isSearch(tool))
  const tools = offered.flatMap(({ tool, path }) => (isSearch(tool) ? [] : encodeTool(tool, path, work)))
  const [search] = searches.map(({ tool, path }) => encodeSearch(tool, path, request, work))
  return { tools, choice: tools.length === 0 ? undefined : encodeChoice(request, only !== undefined, work), search }
}

function isSearch(tool: Tool): boolean {
  return tool.type === 'hosted' && tool.family === 'web_search'
}

/** Servers that have no word for a choice among some tools are offered only those. */
function offeredNames({ toolChoice }: CompletionRequest, { traits, losses }: ToolWork): ReadonlySet<string> | undefined {
  if (traits.customTools || toolChoice === undefined || toolChoice.mode === 'tool' || toolChoice.allowed === undefined) return undefined
  losses.push(approximated('tool_choice', 'tool_choice.allowed', 'the tools that may not be called are not offered'))
  return new Set(toolChoice.allowed)
}

function encodeTool(tool: Tool, path: string, work: ToolWork): readonly Json[] {
  switch (tool.type) {
    case 'function':
      return [encodeFunction(tool, path, work)]
    case 'freeform':
      return [work.traits.customTools ? encodeCustom(tool, path, work) : encodeWrapped(tool, path, work)]
    case 'client-builtin':
      if (tool.wire === 'chat_completions' && isRecord(tool.raw)) return [tool.raw]
      work.losses.push(refusal(path, 'tool.client_builtin', `the tool ${tool.family.slice(0, 60)} only works with models trained for it`))
      return []
    case 'hosted':
      if (tool.wire === 'chat_completions' && isRecord(tool.raw)) return [tool.raw]
      work.losses.push(unsupported(path, hostedFeature(tool.family), `Chat Completions has no tool that is ${tool.family.slice(0, 60)}`))
      return []
  }
}

function hostedFeature(family: string): Parameters<typeof unsupported>[1] {
  switch (family) {
    case 'code_execution':
      return 'tool.code_execution'
    case 'web_fetch':
    case 'url_context':
      return 'tool.web_fetch'
    case 'mcp':
      return 'tool.mcp'
    default:
      return 'tool.hosted'
  }
}

function encodeFunction(tool: Extract<Tool, { type: 'function' }>, path: string, work: ToolWork): Json {
  const { names, losses } = work
  losses.push(...lossesOfOrigin(tool, path))
  if (tool.cache !== undefined) losses.push(unsupported(path, 'cache_control', 'tools take no cache mark on Chat Completions'))
  const lowered = lowerFunction(tool, path)
  losses.push(...lowered.losses)
  const strict = tool.strict === undefined ? undefined : lowered.strict
  return {
    type: 'function',
    function: defined({ name: names.toWire(tool.name), description: tool.description, parameters: lowered.schema, strict }),
  }
}

/** @see https://platform.openai.com/docs/guides/function-calling#custom-tools */
function encodeCustom(tool: Extract<Tool, { type: 'freeform' }>, path: string, work: ToolWork): Json {
  const { name, description, grammar } = tool
  work.losses.push(...lossesOfOrigin(tool, path))
  const format = grammar === undefined ? undefined : { type: 'grammar', grammar }
  return { type: 'custom', custom: defined({ name: work.names.toWire(name), description, format }) }
}

function encodeWrapped(tool: Extract<Tool, { type: 'freeform' }>, path: string, { names, losses, freeform }: ToolWork): Json {
  freeform.add(tool.name)
  const { description, schema, losses: lost } = freeformFunction(tool, path)
  losses.push(...lost)
  return { type: 'function', function: defined({ name: names.toWire(tool.name), description, parameters: schema }) }
}

const searchSettings: ModelledMembers = { search_context_size: true, ...searchPlace }

/**
 * Searching is a trait of some models here, and the others refuse a request that asks for it.
 *
 * @see https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat
 */
function encodeSearch(tool: Tool, path: string, request: CompletionRequest, { traits, losses }: ToolWork): Json | undefined {
  if (tool.type !== 'hosted') return undefined
  if (tool.wire === 'chat_completions') return tool.config
  if (!traits.searches) {
    losses.push(lossOfSearch(request, path, 'this model does not search by itself'))
    return undefined
  }
  losses.push(
    approximated(path, 'tool.web_search', 'only the place and the size of the context are carried over'),
    ...lossesOfSettings(tool, searchSettings, path, 'tool.web_search'),
  )
  const { search_context_size: size, user_location: location } = tool.config
  const place = isRecord(location) && isRecord(location['approximate']) ? location['approximate'] : location
  const { type: _, ...approximate } = isRecord(place) ? place : {}
  return defined({
    search_context_size: size === 'low' || size === 'medium' || size === 'high' ? size : undefined,
    user_location: Object.keys(approximate).length === 0 ? undefined : { type: 'approximate', approximate },
  })
}

function encodeChoice({ toolChoice, tools }: CompletionRequest, isFiltered: boolean, work: ToolWork): unknown {
  if (toolChoice === undefined) return undefined
  if (toolChoice.mode === 'tool') return namedTool(toolChoice.name, tools, work)
  if (toolChoice.allowed === undefined || isFiltered) return toolChoice.mode
  const named = toolChoice.allowed.map((name) => namedTool(name, tools, work))
  return { type: 'allowed_tools', allowed_tools: { mode: allowedMode(toolChoice), tools: named } }
}

function allowedMode({ mode }: Exclude<ToolChoice, { mode: 'tool' }>): 'auto' | 'required' {
  return mode === 'required' ? 'required' : 'auto'
}

function namedTool(name: string, tools: readonly Tool[], { names, freeform }: ToolWork): Json {
  const isFreeform = tools.some((tool) => tool.type === 'freeform' && tool.name === name) && !freeform.has(name)
  const wire = { name: names.toWire(name) }
  return isFreeform ? { type: 'custom', custom: wire } : { type: 'function', function: wire }
}
