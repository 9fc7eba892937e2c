/** An MCP server over the gateway: the tools, how they are announced, and how their errors are told. */
import { McpServer, type ServerContext, type StandardSchemaWithJSON } from '@modelcontextprotocol/server'
import type * as z from 'zod'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'
import { tools } from './index.ts'
import { toJsonSchema } from './schema.ts'
import type { Connection, Tool, ToolContext } from './tool.ts'
import { BrokenAnswer, type ToolResult, errorResult, toolResult } from './tool-result.ts'

export type McpOptions = {
  readonly version: string
  readonly log: Log
  readonly clock?: Clock
  /** Told of every call, so that whoever shuts the server down can wait for what spends money. */
  readonly onCall?: (running: Promise<unknown>) => void
}

const INSTRUCTIONS = `Routeplane answers prompts with models of many providers and pays each provider per request.
Find a model with list_models (free). See what a call would cost with complete and dry_run (free). complete spends money within caps that only the operator can raise; max_cost_usd lowers them for one call.
When complete fails, read code, money and hint: with money "signed", "settled" or "unknown" something may have been paid, so repeat the call only with the same idempotency_key.`

/**
 * Builds one server for one connection; serves the 2025 and the 2026 revision of the protocol alike.
 *
 * @param open - Gives the gateway. Asked at each call of a tool and not before, so that a client that starts up and lists
 *   the tools does not wait for it.
 */
export function createMcpServer(open: () => Promise<Routeplane>, options: McpOptions): McpServer {
  const server = new McpServer(
    { name: 'routeplane', title: 'Routeplane', version: options.version },
    { instructions: INSTRUCTIONS, capabilities: { tools: { listChanged: false } } },
  )
  const connection: Connection = {}
  for (const tool of tools as readonly Tool[]) {
    const { name, title, description, annotations } = tool
    const config = {
      title,
      description,
      annotations,
      inputSchema: announce(tool.input, 'input'),
      outputSchema: announce(tool.output, 'output'),
    }
    server.registerTool(name, config, (input: unknown, context: ServerContext) => {
      const running = run(tool, input, async () => toToolContext(context, await open(), connection, options), options.log)
      options.onCall?.(running)
      return running
    })
  }
  return server
}

function toToolContext(
  { mcpReq }: ServerContext,
  routeplane: Routeplane,
  connection: Connection,
  { clock = systemClock, log }: McpOptions,
): ToolContext {
  const progressToken = mcpReq._meta?.progressToken
  let progress = 0
  const report = (message: string) => {
    progress++
    mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, message } }).catch((error: unknown) => {
      log.debug('progress was not sent', { message: error instanceof Error ? error.message : undefined })
    })
  }
  return { routeplane, connection, clock, log, signal: mcpReq.signal, ...(progressToken === undefined ? {} : { report }) }
}

/** Never rejects: an error of a tool is a result that the calling model reads. */
async function run(tool: Tool, input: unknown, context: () => Promise<ToolContext>, log: Log): Promise<ToolResult> {
  try {
    const parsed = parse(tool.input, input)
    return toolResult(await tool.call(parsed, await context()))
  } catch (thrown) {
    const error = thrown instanceof BrokenAnswer ? thrown.error : toRouteplaneError(thrown)
    if (error.fault === 'internal') {
      const { cause } = error
      log.error('tool failed', { tool: tool.name, code: error.code, cause: cause instanceof Error ? cause.stack : undefined })
    }
    return errorResult(thrown)
  }
}

function parse(schema: z.ZodObject, input: unknown): Record<string, unknown> {
  const parsed = schema.safeParse(input ?? {})
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, 5).map(({ path, message }) => ({ path: path.join('.'), message }))
  const [first] = issues
  const where = first === undefined || first.path === '' ? 'the arguments' : first.path.slice(0, 100)
  throw new RouteplaneError('invalid_request', `${where}: ${first?.message.slice(0, 200) ?? 'not valid'}`, { details: { issues } })
}

/** Shows clients our schema but leaves the judgement to the tool, whose errors say more than the SDK's would. */
function announce(schema: z.ZodObject, io: 'input' | 'output'): StandardSchemaWithJSON<unknown, unknown> {
  const json = toJsonSchema(schema, io)
  return {
    '~standard': {
      version: 1,
      vendor: 'routeplane',
      jsonSchema: { input: () => json, output: () => json },
      validate: (value) => ({ value }),
    },
  }
}
