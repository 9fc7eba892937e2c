/** Encodes the tools of a request for an upstream, schemas lowered and names spelt as the wire takes them. */
import type { CompletionRequest, Tool } from '../../completion/request.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, unsupported, type Loss, type LossFeature } from '../loss.ts'
import { lowerSchema } from '../schema-lowering.ts'
import { encodeFreeform, encodeFunction } from './tools-encode.ts'

type Json = Readonly<Record<string, unknown>>
type Encoded = { readonly tools: readonly unknown[]; readonly losses: readonly Loss[] }

/** Encodes every tool, or says why one cannot go. */
export function encodeTools({ tools }: CompletionRequest, toWire: (name: string) => string): Encoded {
  const encoded = tools.map((tool, index) => encodeTool(tool, `tools[${index}]`, toWire))
  return { tools: encoded.flatMap((each) => each.tools), losses: encoded.flatMap((each) => each.losses) }
}

function encodeTool(tool: Tool, path: string, toWire: (name: string) => string): Encoded {
  switch (tool.type) {
    case 'function':
      return encodeLowered(tool, path, toWire(tool.name))
    case 'freeform':
      return { tools: [encodeFreeform(tool, toWire(tool.name))], losses: [] }
    case 'client-builtin':
      if (tool.wire === 'responses') return { tools: [tool.raw], losses: [] }
      return { tools: [], losses: [unsupportedTool(path, 'tool.hosted', tool.family)] }
    case 'hosted':
      return tool.wire === 'responses' ? { tools: [tool.raw], losses: [] } : encodeHosted(tool, path)
  }
}

/** A strict schema that the vendor's subset cannot say goes out unbound rather than not at all. */
function encodeLowered(tool: Extract<Tool, { type: 'function' }>, path: string, name: string): Encoded {
  const losses: Loss[] = []
  if (tool.cache !== undefined) losses.push(unsupported(path, 'cache_control', 'tools take no cache mark on Responses'))
  if (tool.origin?.family === 'namespace')
    losses.push(approximated(path, 'tool.namespace', 'the namespace is written in front of the name'))
  else if (tool.origin !== undefined) losses.push(approximated(path, 'tool.client_builtin', 'it is offered as a function'))
  const options = { purpose: 'tool', path: `${path}.parameters` } as const
  if (tool.strict === true) {
    const bound = lowerSchema(tool.schema, 'openai-strict', options)
    if (!bound.losses.some(({ action }) => action === 'refused')) {
      return { tools: [encodeFunction(tool, name, bound.schema, true)], losses: [...losses, ...bound.losses] }
    }
    losses.push(approximated(path, 'tool.strict', 'the schema is outside of what strict mode takes, so that it is not enforced'))
  }
  const free = lowerSchema(tool.schema, 'openai', options)
  return { tools: [encodeFunction(tool, name, free.schema, false)], losses: [...losses, ...free.losses] }
}

function encodeHosted(tool: Extract<Tool, { type: 'hosted' }>, path: string): Encoded {
  switch (tool.family) {
    case 'web_search':
      return {
        tools: [encodeWebSearch(tool.config)],
        losses: [approximated(path, 'tool.web_search', 'only domains, location and context size are carried over')],
      }
    case 'code_execution':
      return {
        tools: [{ type: 'code_interpreter', container: { type: 'auto' } }],
        losses: [approximated(path, 'tool.code_execution', 'it runs in a new container of the vendor')],
      }
    case 'web_fetch':
    case 'url_context':
      return { tools: [], losses: [unsupportedTool(path, 'tool.web_fetch', tool.family)] }
    case 'mcp':
      return { tools: [], losses: [unsupportedTool(path, 'tool.mcp', tool.family)] }
    default:
      return { tools: [], losses: [unsupportedTool(path, 'tool.hosted', tool.family)] }
  }
}

function unsupportedTool(path: string, feature: LossFeature, family: string): Loss {
  return unsupported(path, feature, `Responses has no tool that is ${family.slice(0, 60)} in this form`)
}

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
