/** Encodes tools, and which of them may be called, for Messages. */
import type { CompletionRequest, Tool } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord } from '../../lib/json.ts'
import { approximated, refusal, unsupported, type Loss } from '../loss.ts'
import { lowerSchema } from '../schema-lowering.ts'
import {
  freeformFunction,
  lossesOfOrigin,
  lossesOfSettings,
  newContainer,
  noSettings,
  searchPlace,
  usesOwnContainer,
} from '../tool-origin.ts'
import { taken, type ModelledMembers } from '../unmodelled.ts'
import type { CacheMarks } from './cache-marks.ts'

type Json = Readonly<Record<string, unknown>>

/** What encoding tools gives besides the tools themselves. */
export type EncodedTools = {
  readonly tools: readonly Json[]
  readonly servers: readonly unknown[]
  /** Beta features that the tools ask for. */
  readonly betas: readonly string[]
  readonly freeform: ReadonlySet<string>
}

type Work = {
  readonly names: { toWire(name: string): string }
  readonly marks: CacheMarks
  readonly losses: Loss[]
  readonly servers: unknown[]
  readonly betas: Set<string>
  readonly freeform: Set<string>
}

type Hosted = Extract<Tool, { type: 'hosted' }>

type Context = Pick<Work, 'names' | 'marks' | 'losses'>

/** Encodes the tools that the request allows. What has no counterpart is a loss. */
export function encodeTools(request: CompletionRequest, context: Context): EncodedTools {
  const work: Work = { ...context, servers: [], betas: new Set(), freeform: new Set() }
  const allowed = allowedNames(request, context.losses)
  const tools = request.tools.flatMap((tool, index) => (isAllowed(tool, allowed) ? encodeTool(tool, `tools[${index}]`, work) : []))
  return { tools, servers: work.servers, betas: [...work.betas], freeform: work.freeform }
}

/** A choice among some tools is made by offering only those. */
function allowedNames({ toolChoice }: CompletionRequest, losses: Loss[]): readonly string[] | undefined {
  if (toolChoice === undefined || toolChoice.mode === 'tool' || toolChoice.allowed === undefined) return undefined
  losses.push(approximated('tool_choice', 'tool_choice.allowed', 'the tools that may not be called are not offered'))
  return toolChoice.allowed
}

function isAllowed(tool: Tool, allowed: readonly string[] | undefined): boolean {
  return allowed === undefined || allowed.includes(tool.type === 'hosted' ? tool.family : tool.name)
}

function encodeTool(tool: Tool, path: string, work: Work): readonly Json[] {
  switch (tool.type) {
    case 'function':
      return [encodeFunction(tool, path, work)]
    case 'freeform':
      return [encodeFreeform(tool, path, work)]
    case 'client-builtin':
      if (tool.wire === 'messages' && isRecord(tool.raw)) return [tool.raw]
      work.losses.push(refusal(path, 'tool.client_builtin', `the tool ${tool.family} only works with models trained for it`))
      return []
    case 'hosted':
      return encodeHosted(tool, path, work)
  }
}

function encodeFunction(tool: Extract<Tool, { type: 'function' }>, path: string, work: Work): Json {
  const { names, marks, losses } = work
  if (tool.origin?.wire === 'messages') return marks.put(tool.origin.raw, tool.cache, path)
  losses.push(...lossesOfOrigin(tool, path))
  const { schema, strict } = lowerToolSchema(tool, path, losses)
  const written = defined({ name: names.toWire(tool.name), description: tool.description, input_schema: schema, strict })
  return marks.put(written, tool.cache, path)
}

/** Strictness needs a schema of the vendor's subset; a tool that has another one is offered without it. */
function lowerToolSchema(
  tool: Extract<Tool, { type: 'function' }>,
  path: string,
  losses: Loss[],
): { readonly schema: Json; readonly strict: true | undefined } {
  const options = { purpose: 'tool', path: `${path}.schema` } as const
  if (tool.strict === true) {
    const strict = lowerSchema(tool.schema, 'anthropic-strict', options)
    if (!strict.losses.some(({ action }) => action === 'refused')) {
      losses.push(...strict.losses)
      return { schema: strict.schema, strict: true }
    }
    losses.push(approximated(path, 'tool.strict', 'its schema cannot be enforced, so that it is only described'))
  }
  const lowered = lowerSchema(tool.schema, 'anthropic', options)
  losses.push(...lowered.losses)
  return { schema: lowered.schema, strict: undefined }
}

function encodeFreeform(tool: Extract<Tool, { type: 'freeform' }>, path: string, { names, losses, freeform }: Work): Json {
  freeform.add(tool.name)
  const { description, schema, losses: lost } = freeformFunction(tool, path)
  losses.push(...lossesOfOrigin(tool, path), ...lost)
  return defined({ name: names.toWire(tool.name), description, input_schema: schema })
}

function encodeHosted(tool: Hosted, path: string, work: Work): readonly Json[] {
  if (tool.wire === 'messages') {
    if (tool.family !== 'mcp' || !isServer(tool.raw)) return isRecord(tool.raw) ? [tool.raw] : []
    work.servers.push(tool.raw)
    work.betas.add(MCP_BETA)
    return []
  }
  switch (tool.family) {
    case 'web_search':
      work.losses.push(
        approximated(path, 'tool.web_search', 'this vendor searches; domains and place are carried over'),
        ...lossesOfSettings(tool, searchSettings, path, 'tool.web_search'),
      )
      return [encodeWebSearch(tool.config)]
    case 'web_fetch':
    case 'url_context':
      work.losses.push(
        approximated(path, 'tool.web_fetch', 'this vendor fetches the pages'),
        ...lossesOfSettings(tool, noSettings, path, 'tool.web_fetch'),
      )
      work.betas.add('web-fetch-2025-09-10')
      return [{ type: 'web_fetch_20250910', name: 'web_fetch' }]
    case 'code_execution':
      return encodeCodeExecution(tool, path, work)
    case 'mcp':
      return encodeMcp(tool, path, work)
    default:
      work.losses.push(unsupported(path, 'tool.hosted', `the tool ${tool.family} does not exist on Messages`))
      return []
  }
}

/** A server of the MCP connector, and not the set of its tools, which stands among the tools. */
function isServer(raw: unknown): boolean {
  return isRecord(raw) && raw['type'] !== 'mcp_toolset'
}

const domains = taken(['allowed_domains', 'blocked_domains', 'excluded_domains', 'excludeDomains'])
const searchSettings: ModelledMembers = { ...domains, filters: domains, max_uses: true, ...searchPlace }

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool */
function encodeWebSearch(config: Json): Json {
  const filters = isRecord(config['filters']) ? config['filters'] : config
  const place = isRecord(config['user_location']) ? config['user_location'] : undefined
  const approximate = isRecord(place?.['approximate']) ? place['approximate'] : place
  const located = defined({
    city: textOf(approximate?.['city']),
    region: textOf(approximate?.['region']),
    country: textOf(approximate?.['country']),
    timezone: textOf(approximate?.['timezone']),
  })
  return defined({
    type: 'web_search_20250305',
    name: 'web_search',
    allowed_domains: listOf(filters['allowed_domains']),
    blocked_domains: listOf(filters['blocked_domains'] ?? filters['excluded_domains'] ?? filters['excludeDomains']),
    max_uses: typeof config['max_uses'] === 'number' ? config['max_uses'] : undefined,
    user_location: Object.keys(located).length === 0 ? undefined : { type: 'approximate', ...located },
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function listOf(value: unknown): readonly string[] | undefined {
  const texts = Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
  return texts.length === 0 ? undefined : texts
}

/** @see https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/code-execution-tool */
function encodeCodeExecution(tool: Hosted, path: string, work: Work): readonly Json[] {
  if (usesOwnContainer(tool.config)) {
    work.losses.push(unsupported(path, 'tool.code_execution', 'its container and files are at another vendor'))
    return []
  }
  work.losses.push(
    approximated(path, 'tool.code_execution', 'the code runs at this vendor'),
    ...lossesOfSettings(tool, newContainer, path, 'tool.code_execution'),
  )
  work.betas.add('code-execution-2025-08-25')
  return [{ type: 'code_execution_20250825', name: 'code_execution' }]
}

const MCP_BETA = 'mcp-client-2025-11-20'
const serverSettings = taken(['server_label', 'server_url', 'authorization', 'require_approval', 'allowed_tools'])

/**
 * Carries over a server that may be called without asking; who wants to be asked cannot be asked here.
 *
 * @see https://docs.anthropic.com/en/docs/agents-and-tools/mcp-connector
 */
function encodeMcp(tool: Hosted, path: string, work: Work): readonly Json[] {
  const { config } = tool
  const name = textOf(config['server_label'])
  const url = textOf(config['server_url'])
  if (config['require_approval'] !== 'never' || name === undefined || url === undefined) {
    work.losses.push(unsupported(path, 'tool.mcp', 'its calls would need approval, or it has no address of its own'))
    return []
  }
  work.losses.push(
    approximated(path, 'tool.mcp', 'this vendor connects to the server'),
    ...lossesOfSettings(tool, serverSettings, path, 'tool.mcp'),
  )
  work.servers.push(defined({ type: 'url', url, name, authorization_token: textOf(config['authorization']) }))
  work.betas.add(MCP_BETA)
  const allowed = listOf(config['allowed_tools'])
  const only = allowed && {
    default_config: { enabled: false },
    configs: Object.fromEntries(allowed.map((each) => [each, { enabled: true }])),
  }
  return [{ type: 'mcp_toolset', mcp_server_name: name, ...only }]
}

/**
 * Writes `tool_choice`. Whether calls may come in parallel is a part of it here.
 *
 * @returns `undefined` when there is nothing to choose from.
 */
export function encodeToolChoice(request: CompletionRequest, tools: readonly Json[], names: Work['names']): Json | undefined {
  const { toolChoice, parallelToolCalls } = request
  if (tools.length === 0) return undefined
  if (toolChoice?.mode === 'none') return { type: 'none' }
  const single = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {}
  if (toolChoice === undefined) return parallelToolCalls === false ? { type: 'auto', ...single } : undefined
  if (toolChoice.mode === 'tool') return { type: 'tool', name: names.toWire(toolChoice.name), ...single }
  return { type: toolChoice.mode === 'required' ? 'any' : 'auto', ...single }
}
