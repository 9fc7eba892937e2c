/** Encodes a neutral request as a Responses body. */
import type { CompletionRequest, OutputFormat, ReasoningConfig, ReasoningEffort } from '../../completion/request.ts'
import { defined } from '../../lib/defined.ts'
import { approximated, unsupported, type Loss } from '../loss.ts'
import type { Encoded, UpstreamTarget } from '../protocol.ts'
import { budgetToEffort } from '../reasoning-effort.ts'
import { WRAPPED_MEMBER, type Restore } from '../restore.ts'
import { lowerSchema } from '../schema-lowering.ts'
import { mapToolNames } from '../tool-names.ts'
import { encodeAccount } from './account-encode.ts'
import { RESPONSES_PATH } from './forward.ts'
import { encodeItems } from './items-encode.ts'
import { lossesOfSampling, lossesOfState, lossesOfUnknown } from './losses.ts'
import { encodeTools } from './tool-list-encode.ts'
import { encodeToolChoice } from './tools-encode.ts'

type Json = Readonly<Record<string, unknown>>
/** A piece of the body with what it costs. */
type Piece = { readonly fields: Json; readonly losses: readonly Loss[]; readonly restore?: Restore }

/** The least that the vendor takes for `max_output_tokens`. */
const MIN_OUTPUT_TOKENS = 16

/** Writes the request for an upstream. What it cannot say is in `losses`; a refused one means that the body must not be sent. */
export function encodeRequest(request: CompletionRequest, target: UpstreamTarget): Encoded {
  const names = mapToolNames(namesIn(request), 'openai')
  const conversation = encodeItems(request, {
    toWire: names.toWire,
    takesCacheMarks: /^gpt-(?:5\.[6-9]|[6-9])/i.test(baseName(target)),
    replay: { wire: 'responses', ...defined({ provider: target.provider, modelFamily: target.modelFamily }) },
  })
  const tools = encodeTools(request, names.toWire)
  const pieces = [encodeOutput(request.output), encodeReasoning(request.reasoning), encodeSampling(request, target), encodeLimit(request)]
  const account = encodeAccount(request.account)
  const include = includesOf(request)
  const body = defined({
    model: target.model,
    input: conversation.items,
    tools: tools.tools.length === 0 ? undefined : tools.tools,
    tool_choice:
      request.toolChoice === undefined || tools.tools.length === 0
        ? undefined
        : encodeToolChoice(request.toolChoice, request.tools, names.toWire),
    parallel_tool_calls: request.parallelToolCalls,
    ...Object.assign({}, ...pieces.map(({ fields }) => fields)),
    include: include.length === 0 ? undefined : include,
    ...account.fields,
    stream: target.stream ? true : undefined,
  })
  const stop = request.stop.filter((sequence) => sequence !== '')
  const losses = [
    ...[conversation, tools, account, ...pieces].flatMap((piece) => piece.losses),
    ...(stop.length === 0 ? [] : [approximated('stop', 'stop', 'the gateway cuts the answer at the sequence')]),
    ...lossesOfSampling(request),
    ...lossesOfState(request),
    ...lossesOfUnknown(request),
  ]
  const restore: Restore = {
    ...(names.restore.size === 0 ? {} : { toolNames: names.restore }),
    ...(stop.length === 0 ? {} : { stop }),
    ...Object.assign({}, ...pieces.map((piece) => piece.restore ?? {})),
  }
  const isRaised = request.maxOutputTokens !== undefined && request.maxOutputTokens < MIN_OUTPUT_TOKENS
  return { path: RESPONSES_PATH, body, losses, restore, ...(isRaised ? { maxOutputTokens: MIN_OUTPUT_TOKENS } : {}) }
}

function baseName({ model }: UpstreamTarget): string {
  return model.split('/').at(-1) ?? ''
}

/** Every name of a tool that the request speaks of. */
function namesIn({ tools, turns, toolChoice }: CompletionRequest): readonly string[] {
  const declared = tools.flatMap((tool) => (tool.type === 'function' || tool.type === 'freeform' ? [tool.name] : []))
  const called = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])))
  const isDeclared = (name: string): boolean => declared.includes(name)
  const chosen = toolChoice?.mode === 'tool' ? [toolChoice.name] : (toolChoice?.allowed ?? [])
  return [...declared, ...called, ...chosen.filter(isDeclared)]
}

function includesOf({ account, sampling, reasoning }: CompletionRequest): readonly string[] {
  const given = Array.isArray(account['include']) ? account['include'].filter((name) => typeof name === 'string') : []
  const thinks = reasoning !== undefined && reasoning.effort !== 'none'
  const wanted = [
    ...given,
    ...(sampling.logprobs === true ? ['message.output_text.logprobs'] : []),
    // Nothing is stored, so that the next turn can only bring the thoughts along itself.
    ...(thinks ? ['reasoning.encrypted_content'] : []),
  ]
  return [...new Set(wanted)]
}

function encodeLimit({ maxOutputTokens: limit }: CompletionRequest): Piece {
  if (limit === undefined) return { fields: {}, losses: [] }
  if (limit >= MIN_OUTPUT_TOKENS) return { fields: { max_output_tokens: limit }, losses: [] }
  const loss = approximated('max_tokens', 'max_tokens', `${MIN_OUTPUT_TOKENS} is the least that Responses takes`)
  return { fields: { max_output_tokens: MIN_OUTPUT_TOKENS }, losses: [loss] }
}

/** Models that reason take no other temperature than their own. */
function encodeSampling({ sampling }: CompletionRequest, target: UpstreamTarget): Piece {
  const isFixed = /^(?:o\d|gpt-[5-9])/i.test(baseName(target)) && !/chat/i.test(baseName(target))
  const losses: Loss[] = []
  const free = (name: 'temperature' | 'top_p', value: number | undefined): number | undefined => {
    if (value === undefined || !isFixed || value === 1) return value
    losses.push(unsupported(name, name, 'models that reason do not take it'))
    return undefined
  }
  const fields = defined({
    temperature: free('temperature', sampling.temperature),
    top_p: free('top_p', sampling.topP),
    top_logprobs: sampling.logprobs === true ? sampling.topLogprobs : undefined,
  })
  return { fields, losses }
}

/** This wire has no budgets: one becomes the effort whose usual budget it is. */
function encodeReasoning(reasoning: ReasoningConfig | undefined): Piece {
  if (reasoning === undefined) return { fields: {}, losses: [] }
  const losses: Loss[] = []
  let effort: ReasoningEffort | undefined = reasoning.effort
  if (effort === undefined && reasoning.budgetTokens !== undefined) {
    effort = budgetToEffort(reasoning.budgetTokens)
    losses.push(approximated('reasoning', 'reasoning.effort', 'the budget is named by the effort it usually stands for'))
  }
  const wantsSummary = reasoning.display === 'summarized' || reasoning.display === 'full'
  if (reasoning.display === 'full') losses.push(approximated('reasoning', 'reasoning.display', 'only summaries are shown'))
  const value = defined({ effort, summary: wantsSummary ? ('auto' as const) : undefined })
  return { fields: Object.keys(value).length === 0 ? {} : { reasoning: value }, losses }
}

function encodeOutput(output: OutputFormat): Piece {
  switch (output.kind) {
    case 'text':
      return { fields: {}, losses: [] }
    case 'json':
      return { fields: { text: { format: { type: 'json_object' } } }, losses: [] }
    case 'schema':
      return encodeSchema(output)
    case 'enum': {
      const schema = { type: 'object', properties: { [WRAPPED_MEMBER]: { type: 'string', enum: output.values } } }
      const closed = { ...schema, required: [WRAPPED_MEMBER], additionalProperties: false }
      return {
        fields: { text: { format: { type: 'json_schema', name: 'answer', strict: true, schema: closed } } },
        losses: [approximated('output', 'output.enum', 'the value is asked for in an object and taken out of it')],
        restore: { enumWrapped: true },
      }
    }
  }
}

/** A strict schema outside of the vendor's subset goes out unbound, and the answer is judged by the caller's own. */
function encodeSchema(output: Extract<OutputFormat, { kind: 'schema' }>): Piece {
  const format = (schema: Json, strict: boolean): Json => ({
    text: {
      format: {
        type: 'json_schema',
        name: (output.name ?? 'answer').replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || 'answer',
        ...defined({ description: output.description }),
        schema,
        strict,
      },
    },
  })
  const options = { path: 'output.schema' } as const
  if (output.strict !== true) {
    const { schema, losses } = lowerSchema(output.schema, 'openai', options)
    return { fields: format(schema, false), losses }
  }
  const { schema, losses, wrapped, weakened } = lowerSchema(output.schema, 'openai-strict', options)
  if (losses.some(({ action }) => action === 'refused')) {
    const free = lowerSchema(output.schema, 'openai', options)
    const loss = approximated('output.schema', 'tool.strict', 'the schema is outside of what strict mode takes, so that it is not enforced')
    return { fields: format(free.schema, false), losses: [...free.losses, loss], restore: { schema: output.schema } }
  }
  const restore = { ...(wrapped ? { rootWrapped: true } : {}), ...(weakened ? { schema: output.schema } : {}) }
  return { fields: format(schema, true), losses, restore }
}
