/** Encodes tools and the choice among them as this wire has them. */
import type { CompletionRequest, JsonSchema, Tool, ToolChoice } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Writes a function. `strict` is always said, because leaving it out means yes on this wire and no on every other.
 *
 * @see https://platform.openai.com/docs/guides/function-calling#strict-mode
 */
export function encodeFunction(tool: Extract<Tool, { type: 'function' }>, name: string, schema: JsonSchema, strict: boolean): Json {
  return { type: 'function', name, ...defined({ description: tool.description }), parameters: schema, strict }
}

export function encodeFreeform(tool: Extract<Tool, { type: 'freeform' }>, name: string): Json {
  const { description, grammar } = tool
  return {
    type: 'custom',
    name,
    ...defined({ description }),
    format: grammar === undefined ? { type: 'text' } : { type: 'grammar', ...grammar },
  }
}

/** Writes a tool of the request the way its answer repeats it to the caller. */
export function echoTool(tool: Tool): unknown {
  switch (tool.type) {
    case 'function':
      if (tool.origin?.wire === 'responses' && tool.origin.family !== 'namespace') return tool.origin.raw
      return encodeFunction(tool, tool.name, tool.schema, tool.strict ?? false)
    case 'freeform':
      return encodeFreeform(tool, tool.name)
    case 'hosted':
    case 'client-builtin':
      return tool.raw
  }
}

/**
 * Writes the choice among tools.
 *
 * @param wrapped - Free-form tools that go out as functions.
 * @see https://platform.openai.com/docs/api-reference/responses/create, `tool_choice`
 */
export function encodeToolChoice(
  choice: ToolChoice,
  tools: CompletionRequest['tools'],
  toWire: (name: string) => string,
  wrapped: ReadonlySet<string> = new Set(),
): unknown {
  if (choice.mode === 'tool') return namedTool(choice.name, tools, toWire, wrapped)
  if (choice.allowed === undefined) return choice.mode
  return {
    type: 'allowed_tools',
    mode: choice.mode === 'required' ? 'required' : 'auto',
    tools: choice.allowed.map((name) => namedTool(name, tools, toWire, wrapped)),
  }
}

/** A hosted tool is chosen by its type, and so is one that the caller runs for the vendor. */
function namedTool(name: string, tools: readonly Tool[], toWire: (name: string) => string, wrapped: ReadonlySet<string>): Json {
  const tool = tools.find((each) => (each.type === 'hosted' ? each.family === name || hostedType(each) === name : each.name === name))
  if (tool?.type === 'hosted') return { type: hostedType(tool) ?? name }
  return { type: tool?.type === 'freeform' && !wrapped.has(name) ? 'custom' : 'function', name: toWire(name) }
}

function hostedType(tool: Extract<Tool, { type: 'hosted' }>): string | undefined {
  if (tool.wire === 'responses' && typeof tool.raw === 'object' && tool.raw !== null && 'type' in tool.raw) return String(tool.raw.type)
  if (tool.family === 'web_search') return 'web_search'
  return tool.family === 'code_execution' ? 'code_interpreter' : undefined
}
