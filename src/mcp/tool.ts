/** The contract of an MCP tool: what it is called, what it takes and gives, and what it does. */
import type * as z from 'zod'
import type { Caller, Completion, GatewayCall } from '../gateway/call.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Routeplane } from '../routeplane.ts'
import type { Audience } from './audience.ts'

export type Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> = {
  /** `^[a-z][a-z0-9_]{0,39}$` */
  readonly name: string
  readonly title: string
  /** Written for a model that has to decide whether to call the tool. */
  readonly description: string
  readonly annotations: ToolAnnotations
  readonly audience: Audience
  readonly input: Input
  /** Every field optional: an error result has other fields, and some clients hold it against the same schema. */
  readonly output: Output
  /** @throws RouteplaneError which becomes an error result, never an error of the protocol. */
  call(input: z.output<Input>, context: ToolContext): Promise<z.input<Output>>
  /** Resources that say more about a result. */
  links?(value: z.input<Output>): readonly ResourceLink[]
}

export type ResourceLink = { readonly uri: string; readonly name: string; readonly description: string }

/** Hints for the client's approval dialog; all four said, none left to a default. @see MCP specification, "Tool annotations" */
export type ToolAnnotations = {
  readonly readOnlyHint: boolean
  readonly destructiveHint: boolean
  readonly idempotentHint: boolean
  readonly openWorldHint: boolean
}

export type ToolContext = {
  readonly routeplane: Routeplane
  readonly caller: Caller
  readonly connection: Connection
  readonly clock: Clock
  readonly log: Log
  /** Aborted when the client cancels the call or goes away. */
  readonly signal: AbortSignal
  /** What the client has sent beside the arguments. */
  readonly meta?: Readonly<Record<string, unknown>>
  /** Completes a call for whoever pays for it himself; absent when it goes on the operator's account. */
  readonly sell?: (call: GatewayCall) => Promise<Completion>
  /** Puts members into the result's `_meta`, which is for clients and not for models. */
  addMeta(members: Readonly<Record<string, unknown>>): void
  /** Shows a line of progress; absent when the client has not asked for any. */
  readonly report?: (message: string) => void
  /** Asks the client's user; absent when the client cannot. */
  readonly approve?: NonNullable<GatewayCall['approve']>
}

/** What one client has set for itself; gone with its connection. */
export type Connection = {
  /** Whether it ends with this request, as each does in the 2026 revision over HTTP: then nothing can be set for later. */
  readonly isForOneRequest: boolean
  /** The preset that `complete` uses when it is not told otherwise. */
  activePreset?: string
}

/** Gives a tool its types; otherwise the tool as it is. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(tool: Tool<Input, Output>): Tool<Input, Output> {
  return tool
}
