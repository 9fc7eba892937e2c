/** An MCP server over the gateway: what it offers, how that is announced, and how errors of tools are told. */
import {
  type InputRequiredResult,
  McpServer,
  ProtocolError,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server'
import type * as z from 'zod'
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Caller, GatewayCall } from '../gateway/call.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'
import { type Approvals, type Approver, createApprovals } from './approval.ts'
import { admits, type Audience, OPERATOR } from './audience.ts'
import { icons } from './icon.ts'
import { prompts, resources, tools } from './index.ts'
import { lateValidator } from './late-validator.ts'
import { announcedPayment, challengeError, PAYMENT_REQUIRED, sell } from './payment.ts'
import { registerPrompts } from './prompt.ts'
import { registerResources } from './resource.ts'
import { toJsonSchema } from './schema.ts'
import type { Connection, Tool, ToolContext } from './tool.ts'
import { BrokenAnswer, type ToolResult, errorResult, toolResult } from './tool-result.ts'

export type McpOptions = {
  readonly version: string
  readonly log: Log
  readonly clock?: Clock
  /** Told of every call, so that whoever shuts the server down can wait for what spends money. */
  readonly onCall?: (running: Promise<unknown>) => void
  /** Whether the server answers one request and is gone, so that nothing it is told can be remembered. */
  readonly isForOneRequest?: boolean
  /** Whom the connection belongs to, and with it all that is done over it; the operator unless given. */
  readonly caller?: Caller
  /** What is sold to a caller who pays for each call, and how. */
  readonly prices?: NonNullable<Routeplane['cashier']>['prices']
  /** Reads the state that a client brings back with the user's answers; rejects what this server has not sealed. */
  readonly requestState?: { verify(state: string, context: ServerContext): Promise<unknown> }
  /** Shared by servers that answer one request each: who brings an answer back finds another server than the one that asked. */
  readonly approvals?: Approvals
}

const WEBSITE = 'https://routeplane.app'

const INSTRUCTIONS = `Routeplane answers prompts with models of many providers and pays each provider per request.
Find a model with list_models (free). See what a call would cost with complete and dry_run (free). complete spends money within caps that only the operator can raise; max_cost_usd lowers them for one call.
When complete fails, read code, money and hint: with money "signed", "settled" or "unknown" something may have been paid, so repeat the call only with the same idempotency_key. A receipt can be read at routeplane://receipts/{receipt_id}.`

/**
 * Builds one server for one connection; serves the 2025 and the 2026 revision of the protocol alike.
 *
 * @param open - Gives the gateway. Asked at each call of a tool or reading of a resource and not before, so that a client that starts up and lists
 *   the tools does not wait for it.
 */
export function createMcpServer(open: Open, options: McpOptions): McpServer {
  const unchanging = { listChanged: false }
  const { clock = systemClock, caller = OPERATOR } = options
  const { approvals = createApprovals(clock) } = options
  const requestState = options.requestState ?? approvals
  const experimental = options.prices === undefined ? undefined : announcedPayment(options.prices)
  const server = new McpServer(
    { name: 'routeplane', title: 'Routeplane', version: options.version, websiteUrl: WEBSITE, icons: [...icons] },
    {
      instructions: INSTRUCTIONS,
      capabilities: {
        tools: unchanging,
        resources: unchanging,
        prompts: unchanging,
        completions: {},
        ...(experimental === undefined ? {} : { experimental }),
      },
      requestState: { verify: (state, context) => requestState.verify(state, context) },
      jsonSchemaValidator: lateValidator,
    },
  )
  const connection: Connection = { isForOneRequest: options.isForOneRequest === true }
  const isOffered = ({ audience }: { readonly audience: Audience }) => admits(audience, caller)
  const serving = { ...options, caller, approvals }
  for (const tool of (tools as readonly Tool[]).filter(isOffered)) registerTool(server, tool, connection, open, serving)
  registerResources(server, resources.filter(isOffered), { open, caller, log: options.log })
  registerPrompts(server, prompts, { open, caller })
  return server
}

type Open = () => Promise<Routeplane>

type ServingOptions = McpOptions & { readonly approvals: Approvals; readonly caller: Caller }

function registerTool(server: McpServer, tool: Tool, connection: Connection, open: Open, options: ServingOptions): void {
  const { name, title, description, annotations } = tool
  const config = {
    title,
    description,
    annotations,
    inputSchema: announce(tool.input, 'input'),
    outputSchema: announce(tool.output, 'output'),
  }
  server.registerTool(name, config, (input: unknown, context: ServerContext) => {
    // A yes is the operator's to give: whoever has a key of his leaves a question to him.
    const approver = options.caller.isOperator ? options.approvals.of(server, context, input) : undefined
    const meta: Record<string, unknown> = {}
    const addMeta = (members: object) => void Object.assign(meta, members)
    const asking = { ...options, ...(approver === undefined ? {} : { approver }) }
    const toContext = async () => ({ ...toToolContext(context, await open(), connection, asking), addMeta })
    const running = run(tool, input, toContext, { log: options.log, approver, context })
    options.onCall?.(running)
    return running.then((outcome) => {
      if (outcome instanceof ProtocolError) throw outcome
      return Object.keys(meta).length === 0 ? outcome : { ...outcome, _meta: meta }
    })
  })
}

function toToolContext(
  { mcpReq }: ServerContext,
  routeplane: Routeplane,
  connection: Connection,
  { clock = systemClock, log, caller, approver }: ServingOptions & { readonly approver?: Approver },
): Omit<ToolContext, 'addMeta'> {
  const progressToken = mcpReq._meta?.progressToken
  let progress = 0
  const report = (message: string) => {
    progress++
    mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, message } }).catch((error: unknown) => {
      log.debug('progress was not sent', { message: error instanceof Error ? error.message : undefined })
    })
  }
  return {
    routeplane,
    caller,
    connection,
    clock,
    log,
    signal: mcpReq.signal,
    ...(mcpReq._meta === undefined ? {} : { meta: mcpReq._meta }),
    ...(progressToken === undefined ? {} : { report }),
    ...(approver === undefined ? {} : { approve: approver.approve }),
    ...(caller.pays ? { sell: (call: GatewayCall) => sell(cashierOf(routeplane), call, mcpReq._meta) } : {}),
  }
}

function cashierOf({ cashier }: Routeplane): NonNullable<Routeplane['cashier']> {
  if (cashier !== undefined) return cashier
  throw new RouteplaneError('unauthorized', 'nothing is sold here')
}

type Running = { readonly log: Log; readonly approver: Approver | undefined; readonly context: ServerContext }

/** Never rejects: an error of a tool is a result that the calling model reads, but for the one that only its client can answer. */
async function run(
  tool: Tool,
  input: unknown,
  toContext: () => Promise<ToolContext>,
  { log, approver, context }: Running,
): Promise<ToolResult | InputRequiredResult | ProtocolError> {
  try {
    const parsed = parse(tool.input, input)
    const value = await tool.call(parsed, await toContext())
    return toolResult(value, tool.links?.(value))
  } catch (thrown) {
    const error = thrown instanceof BrokenAnswer ? thrown.error : toRouteplaneError(thrown)
    const question = error.code === 'approval_required' ? await approver?.pending() : undefined
    if (question !== undefined) return question
    if (error.fault === 'internal') {
      const { cause } = error
      log.error('tool failed', { tool: tool.name, code: error.code, cause: cause instanceof Error ? cause.stack : undefined })
    }
    return demandOf(error, context) ?? errorResult(thrown)
  }
}

/** The 2026 revision has no such code: there the result says it. */
function demandOf({ challenge, message }: RouteplaneError, { mcpReq }: ServerContext): ProtocolError | undefined {
  if (challenge === undefined || mcpReq.envelope !== undefined) return undefined
  const data = challengeError(challenge, message, mcpReq._meta)
  return data === undefined ? undefined : new ProtocolError(PAYMENT_REQUIRED, message, data)
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
