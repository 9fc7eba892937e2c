/** Encodes the tools of a request for an upstream, schemas lowered and names spelt as the wire takes them. */
import type { CompletionRequest, Tool } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, refusal, unsupported, type Loss, type LossFeature } from '../loss.ts'
import type { OpenAiTraits } from '../openai-models.ts'
import { lowerFunction } from '../openai-schemas.ts'
import type { RenameTable } from '../rename-table.ts'
import { freeformFunction, lossesOfOrigin, lossesOfSettings, noSettings, searchPlace } from '../tool-origin.ts'
import { taken, type ModelledMembers } from '../unmodelled.ts'
import { encodeFreeform, encodeFunction, encodeToolChoice } from './tools-encode.ts'

type Json = Readonly<Record<string, unknown>>

export type ToolWork = {
  readonly names: RenameTable
  readonly traits: OpenAiTraits
  readonly losses: Loss[]
  /** Free-form tools that go out as functions, by the caller's names. */
  readonly wrapped: Set<string>
}

/** Encodes every tool that may be called, and the choice among them; what has no counterpart is a loss. */
export function encodeTools(request: CompletionRequest, work: ToolWork): { readonly tools: readonly unknown[]; readonly choice: unknown } {
  const only = offeredNames(request, work)
  const tools = request.tools.flatMap((tool, index) => {
    const isOffered = only === undefined || tool.type === 'hosted' || only.has(tool.name)
    return isOffered ? encodeTool(tool, `tools[${index}]`, work) : []
  })
  const { toolChoice } = request
  if (toolChoice === undefined || tools.length === 0) return { tools, choice: undefined }
  const choice = only === undefined || toolChoice.mode === 'tool' ? toolChoice : { mode: toolChoice.mode }
  return { tools, choice: encodeToolChoice(choice, request.tools, work.names.toWire, work.wrapped) }
}

/** Servers that have no word for a choice among some tools are offered only those. */
function offeredNames({ toolChoice }: CompletionRequest, { traits, losses }: ToolWork): ReadonlySet<string> | undefined {
  if (traits.customTools || toolChoice === undefined || toolChoice.mode === 'tool' || toolChoice.allowed === undefined) return undefined
  losses.push(approximated('tool_choice', 'tool_choice.allowed', 'the tools that may not be called are not offered'))
  return new Set(toolChoice.allowed)
}

function encodeTool(tool: Tool, path: string, work: ToolWork): readonly unknown[] {
  switch (tool.type) {
    case 'function':
      return [encodeLowered(tool, path, work)]
    case 'freeform':
      work.losses.push(...lossesOfOrigin(tool, path))
      return [work.traits.customTools ? encodeFreeform(tool, work.names.toWire(tool.name)) : encodeWrapped(tool, path, work)]
    case 'client-builtin':
      if (tool.wire === 'responses') return [tool.raw]
      work.losses.push(refusal(path, 'tool.client_builtin', `the tool ${tool.family.slice(0, 60)} only works with models trained for it`))
      return []
    case 'hosted':
      return tool.wire === 'responses' ? [tool.raw] : encodeHosted(tool, path, work)
  }
}

function encodeLowered(tool: Extract<Tool, { type: 'function' }>, path: string, work: ToolWork): Json {
  const { losses, names } = work
  losses.push(...lossesOfOrigin(tool, path))
  if (tool.cache !== undefined) losses.push(unsupported(path, 'cache_control', 'tools take no cache mark on Responses'))
  const lowered = lowerFunction(tool, path)
  losses.push(...lowered.losses)
  return encodeFunction(tool, names.toWire(tool.name), lowered.schema, lowered.strict)
}

function encodeWrapped(tool: Extract<Tool, { type: 'freeform' }>, path: string, { names, losses, wrapped }: ToolWork): Json {
  wrapped.add(tool.name)
  const { description, schema, losses: lost } = freeformFunction(tool, path)
  losses.push(...lost)
  return { type: 'function', name: names.toWire(tool.name), ...defined({ description }), parameters: schema, strict: false }
}

function encodeHosted(tool: Extract<Tool, { type: 'hosted' }>, path: string, { losses }: ToolWork): readonly Json[] {
  switch (tool.family) {
    case 'web_search':
      losses.push(
        approximated(path, 'tool.web_search', 'only domains, location and context size are carried over'),
        ...lossesOfSettings(tool, searchSettings, path, 'tool.web_search'),
      )
      return [encodeWebSearch(tool.config)]
    case 'code_execution':
      losses.push(
        approximated(path, 'tool.code_execution', 'it runs in a new container of the vendor'),
        ...lossesOfSettings(tool, noSettings, path, 'tool.code_execution'),
      )
      return [{ type: 'code_interpreter', container: { type: 'auto' } }]
    default:
      losses.push(unsupported(path, hostedFeature(tool.family), `Responses has no tool that is ${tool.family.slice(0, 60)} in this form`))
      return []
  }
}

function hostedFeature(family: string): LossFeature {
  if (family === 'web_fetch' || family === 'url_context') return 'tool.web_fetch'
  return family === 'mcp' ? 'tool.mcp' : 'tool.hosted'
}

const searchSettings: ModelledMembers = { ...taken(['search_context_size', 'allowed_domains']), ...searchPlace }

/** @see https://platform.openai.com/docs/guides/tools-web-search */
function encodeWebSearch(config: Json): Json {
  const { search_context_size: size, allowed_domains: domains, user_location: location } = config
  const place = isRecord(location) && isRecord(location['approximate']) ? location['approximate'] : location
  return {
    type: 'web_search',
    ...(size === 'low' || size === 'medium' || size === 'high' ? { search_context_size: size } : {}),
    ...(Array.isArray(domains) && domains.length > 0 ? { filters: { allowed_domains: domains } } : {}),
    ...(isRecord(place) ? { user_location: { ...place, type: 'approximate' } } : {}),
  }
}
