/** Decodes the tools of a generateContent request, and which of them the model may or must call. */
import type { JsonSchema, Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import { fromOpenApi } from './open-api-schema.ts'
import type { FunctionDeclaration, GenerateRequest, WireTool } from './schema.ts'

const WIRE = 'generate_content'

/** Google's hosted tools by the families that all wires share. @see https://ai.google.dev/api/caching#Tool */
const families: ReadonlyMap<string, string> = new Map([
  ['googleSearch', 'web_search'],
  ['googleSearchRetrieval', 'web_search'],
  ['urlContext', 'web_fetch'],
  ['codeExecution', 'code_execution'],
  ['fileSearch', 'file_search'],
  ['googleMaps', 'maps'],
  ['mcpServers', 'mcp'],
])

/** @throws RouteplaneError `invalid_request` for a function with two schemas. */
export function decodeTools(json: GenerateRequest): readonly Tool[] {
  const isStrict = json.toolConfig?.functionCallingConfig?.mode === 'VALIDATED'
  return (json.tools ?? []).flatMap((tool, index) => decodeTool(tool, `tools[${index}]`, isStrict))
}

/** One tool of this wire may hold functions and several hosted tools at once. */
function decodeTool(tool: WireTool, path: string, isStrict: boolean): readonly Tool[] {
  const functions = (tool.functionDeclarations ?? []).map((declaration, index) =>
    decodeDeclaration(declaration, `${path}.functionDeclarations[${index}]`, isStrict),
  )
  const hosted = Object.entries(tool).flatMap(([name, config]): Tool[] => {
    if (name === 'functionDeclarations' || config === null) return []
    const raw = { [name]: config }
    if (name === 'computerUse') return [{ type: 'client-builtin', family: 'computer', name: 'computer', wire: WIRE, raw }]
    return [{ type: 'hosted', family: families.get(name) ?? name, wire: WIRE, config: isRecord(config) ? config : {}, raw }]
  })
  return [...functions, ...hosted]
}

function decodeDeclaration(given: FunctionDeclaration, path: string, isStrict: boolean): Tool {
  return {
    type: 'function',
    name: given.name,
    schema: decodeParameters(given, path),
    ...defined({ description: given.description ?? undefined, strict: isStrict ? true : undefined }),
  }
}

/** A function without parameters takes an empty object. */
function decodeParameters({ parameters, parametersJsonSchema: schema }: FunctionDeclaration, path: string): JsonSchema {
  const hasSchema = schema !== undefined && schema !== null
  if (hasSchema && isRecord(parameters)) throw invalidRequest(path, 'has both parameters and parametersJsonSchema')
  if (isRecord(parameters)) return fromOpenApi(parameters)
  if (!hasSchema) return { type: 'object', properties: {} }
  if (isRecord(schema) || typeof schema === 'boolean') return schema
  throw invalidRequest(`${path}.parametersJsonSchema`, 'must be a JSON Schema')
}

/**
 * Decodes `toolConfig`. One allowed function under `ANY` is a named one; `VALIDATED` is `AUTO` with strict functions.
 *
 * @see https://ai.google.dev/api/caching#FunctionCallingConfig
 */
export function decodeToolChoice({ toolConfig }: GenerateRequest): ToolChoice | undefined {
  const config = toolConfig?.functionCallingConfig
  if (config === undefined || config === null) return undefined
  const allowed = config.allowedFunctionNames ?? []
  const mode = modeOf(config.mode)
  if (mode === undefined) return undefined
  const [only] = allowed
  if (mode === 'required' && allowed.length === 1 && only !== undefined) return { mode: 'tool', name: only }
  return allowed.length === 0 || mode === 'none' ? { mode } : { mode, allowed }
}

function modeOf(mode: string | null | undefined): 'auto' | 'none' | 'required' | undefined {
  switch (mode ?? 'MODE_UNSPECIFIED') {
    case 'MODE_UNSPECIFIED':
      return undefined
    case 'AUTO':
    case 'VALIDATED':
      return 'auto'
    case 'ANY':
      return 'required'
    case 'NONE':
      return 'none'
    default:
      throw invalidRequest('toolConfig.functionCallingConfig.mode', 'must be AUTO, ANY, NONE or VALIDATED')
  }
}
