/** Encodes a neutral request as a Messages body, with what that loses and what has to be undone on the answer. */
import type { CompletionRequest, Tool } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { replayReasoning } from '../carrier.ts'
import { approximated, type Loss } from '../loss.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import { mapToolIds } from '../tool-ids.ts'
import { mapToolNames } from '../tool-names.ts'
import { createCacheMarks } from './cache-marks.ts'
import { MESSAGES_PATH } from './forward.ts'
import { encodeAccount, encodeLimit, encodeSampling, encodeState, encodeStops, reportUnsupported } from './limits-encode.ts'
import { encodeConversation } from './messages-encode.ts'
import { traitsOf } from './model-traits.ts'
import { encodeOutput } from './output-encode.ts'
import { encodeThinking } from './thinking-encode.ts'
import { encodeToolChoice, encodeTools } from './tools-encode.ts'
import { DEFAULT_VERSION } from './version.ts'

type Json = Readonly<Record<string, unknown>>

/** Here the body is an object, and its version always named. */
export type EncodedMessages = Encoded & { readonly body: Json; readonly headers: Readonly<Record<string, string>> }

/** Writes the request; it never throws, because everything that cannot be said is a loss. */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): EncodedMessages {
  const losses: Loss[] = []
  const names = mapToolNames(toolNames(request), 'anthropic')
  const traits = traitsOf(target.model)
  const replay = replayReasoning(request.turns, identityOf(target))
  losses.push(...replay.losses)
  const marks = createCacheMarks()
  const context = { names, ids: mapToolIds(toolIds(request), 'anthropic'), marks, losses, traits }

  const output = encodeOutput(request, losses)
  const offered = encodeTools(withHistoryTools(request, losses), context)
  const { system, messages } = encodeConversation({ system: request.system, turns: replay.turns }, context)
  const maxTokens = encodeLimit(request, target, losses)
  const thinking = encodeThinking({ request, traits, maxTokens, losses, isBroken: isUnfinished(messages) })
  const stops = encodeStops(request, losses)
  const config = defined({ effort: thinking.effort, format: output.format })
  const told = output.instruction === undefined ? system : [...system, { type: 'text', text: output.instruction }]
  const account = encodeAccount(request, losses)
  const state = encodeState(request, losses)
  reportUnsupported(request, losses)
  marks.settle(losses)
  const body = defined({
    model: target.model,
    max_tokens: maxTokens,
    system: told.length === 0 ? undefined : told,
    messages,
    tools: offered.tools.length === 0 ? undefined : offered.tools,
    tool_choice: encodeToolChoice(withHistoryTools(request, []), offered.tools, names),
    mcp_servers: offered.servers.length === 0 ? undefined : offered.servers,
    thinking: thinking.thinking,
    output_config: Object.keys(config).length === 0 ? undefined : config,
    stop_sequences: stops.sent.length === 0 ? undefined : stops.sent,
    ...encodeSampling(request, traits, thinking.isOn, losses),
    ...account,
    ...state,
    stream: target.stream ? true : undefined,
  })
  return {
    path: MESSAGES_PATH,
    body,
    headers: {
      'anthropic-version': DEFAULT_VERSION,
      ...(offered.betas.length === 0 ? {} : { 'anthropic-beta': offered.betas.join(',') }),
    },
    ...(request.maxOutputTokens === undefined ? { maxOutputTokens: maxTokens } : {}),
    losses,
    restore: {
      ...output.restore,
      ...(names.restore.size === 0 ? {} : { toolNames: names.restore }),
      ...(offered.freeform.size === 0 ? {} : { freeformTools: offered.freeform }),
      ...(stops.cut.length === 0 ? {} : { stop: stops.cut }),
    },
  }
}

function identityOf({ provider, modelFamily }: UpstreamTarget): Parameters<typeof replayReasoning>[1] {
  return { wire: 'messages', ...defined({ provider, modelFamily }) }
}

function* toolNames({ tools, turns, toolChoice }: CompletionRequest): Generator<string> {
  for (const tool of tools) if (tool.type !== 'hosted') yield tool.name
  for (const { parts } of turns) for (const part of parts) if (part.type === 'tool-call') yield part.name
  if (toolChoice?.mode === 'tool') yield toolChoice.name
}

function* toolIds({ turns }: CompletionRequest): Generator<string> {
  for (const { parts } of turns) {
    for (const part of parts) {
      if (part.type === 'tool-call') yield part.id
      else if (part.type === 'tool-result') yield part.callId
    }
  }
}

/** A history with calls is refused without tools: those that were called are named, and none may be called again. */
function withHistoryTools(request: CompletionRequest, losses: Loss[]): CompletionRequest {
  if (request.tools.length > 0) return request
  const called = new Set(request.turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : []))))
  if (called.size === 0) return request
  losses.push(approximated('tools', 'tool_choice.allowed', 'the tools of the history are named, and may not be called'))
  const tools = [...called].map((name): Tool => ({ type: 'function', name, schema: { type: 'object', properties: {} } }))
  return { ...request, tools, toolChoice: { mode: 'none' } }
}

/** Tells whether the conversation waits for the answer to results whose calls no thought stands before. */
function isUnfinished(messages: readonly Json[]): boolean {
  const blocksAt = (at: number): readonly Json[] => (messages.at(at)?.['content'] as readonly Json[] | undefined) ?? []
  if (!blocksAt(-1).some(({ type }) => type === 'tool_result')) return false
  const type = blocksAt(-2)[0]?.['type']
  return type !== 'thinking' && type !== 'redacted_thinking'
}
