/** Decodes the tools of a Messages request, and which of them the model may or must call. */
import type { Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { invalidRequest } from '../invalid-request.ts'
import { decodeCacheMark } from './blocks.ts'
import { clientToolOf, familyOf, needsTraining } from './client-tools.ts'
import type { CountRequest, WireTool } from './schema.ts'

const WIRE = 'messages'

/** @throws RouteplaneError `invalid_request` for a tool without a name or without a schema. */
export function decodeTools(json: CountRequest): readonly Tool[] {
  const tools = (json.tools ?? []).map((tool, index) => decodeTool(tool, `tools[${index}]`))
  const servers = (json.mcp_servers ?? []).map((raw): Tool => ({ type: 'hosted', family: 'mcp', wire: WIRE, config: raw, raw }))
  return [...tools, ...servers]
}

function decodeTool(tool: WireTool, path: string): Tool {
  const type = tool.type ?? 'custom'
  if (type === 'custom') return decodeFunction(tool, path)
  const name = tool.name ?? familyOf(type)
  const cache = decodeCacheMark(tool.cache_control)
  const known = clientToolOf(type)
  if (known !== undefined) {
    const { family, description, schema } = known
    return { type: 'function', name, description, schema, origin: { wire: WIRE, family, raw: tool }, ...cache }
  }
  if (needsTraining(type)) return { type: 'client-builtin', family: familyOf(type), name, wire: WIRE, raw: tool }
  const { type: _, name: __, cache_control: ___, ...config } = tool
  return { type: 'hosted', family: hostedFamily(type), wire: WIRE, config, raw: tool }
}

function hostedFamily(type: string): string {
  return type === 'mcp_toolset' ? 'mcp' : familyOf(type)
}

function decodeFunction(tool: WireTool, path: string): Tool {
  const { name, input_schema: schema } = tool
  if (name === undefined || name === null || name === '') throw invalidRequest(`${path}.name`, 'is missing')
  if (schema === undefined || schema === null) throw invalidRequest(`${path}.input_schema`, 'is missing')
  return {
    type: 'function',
    name,
    schema,
    ...defined({ description: tool.description ?? undefined, strict: tool.strict ?? undefined }),
    ...decodeCacheMark(tool.cache_control),
  }
}

/** @see https://docs.anthropic.com/en/api/messages#body-tool-choice */
export function decodeToolChoice(choice: CountRequest['tool_choice']): ToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { mode: choice.type }
    case 'any':
      return { mode: 'required' }
    case 'tool':
      if (choice.name === undefined || choice.name === null) throw invalidRequest('tool_choice.name', 'is missing')
      return { mode: 'tool', name: choice.name }
    default:
      throw invalidRequest('tool_choice.type', 'must be auto, any, tool or none')
  }
}
