/** Compares two neutral requests aspect by aspect, and knows which losses account for which difference. */
import { isDeepStrictEqual } from 'node:util'
import type { CompletionRequest, Content, Tool, Turn } from '../../src/completion/request.ts'
import type { Loss } from '../../src/protocol/loss.ts'
import type { Encoded } from '../../src/protocol/protocol.ts'

/** What differs, by the name of the aspect. */
export type Aspect = keyof typeof accounts

/** The features whose loss accounts for a difference; the beginning of a name stands for all that begin so. */
const accounts = {
  system: ['system.rank', 'system.position', 'cache_control', 'output.json', 'output.schema', 'message.role'],
  turns: [
    'text.empty',
    'system.position',
    'system.rank',
    'message.name',
    'message.role',
    'content.foreign',
    'prefill',
    'image.',
    'document.',
    'file.',
    'audio.',
    'video.',
    'tool_result.',
    'tool.freeform',
    'reasoning.replay',
    'reasoning.signature',
    'cache_control',
  ],
  tools: ['tool.', 'schema.', 'cache_control', 'tool_choice.allowed'],
  toolChoice: ['tool_choice.', 'tool.strict', 'parallel_tool_calls'],
  parallelToolCalls: ['parallel_tool_calls'],
  temperature: ['temperature'],
  topP: ['top_p'],
  topK: ['top_k'],
  frequencyPenalty: ['frequency_penalty'],
  presencePenalty: ['presence_penalty'],
  seed: ['seed'],
  logitBias: ['logit_bias'],
  logprobs: ['logprobs'],
  topLogprobs: ['logprobs'],
  maxOutputTokens: ['max_tokens'],
  stop: ['stop'],
  candidates: ['candidates'],
  reasoning: ['reasoning.effort', 'reasoning.display'],
  output: ['output.', 'schema.', 'tool.strict'],
  outputModalities: ['output_modalities'],
  state: ['state', 'context_management'],
  account: ['metadata', 'user', 'service_tier', 'cache_control', 'prompt_cache_key', 'store', 'inference_geo', 'diagnostics', 'background'],
  unknown: ['unknown_field', 'verbosity', 'prediction', 'safety_settings', 'moderation', 'diagnostics', 'metadata', 'context_management'],
} as const satisfies Readonly<Record<string, readonly string[]>>

type View = Readonly<Record<Aspect, unknown>>

/** Gives the aspects in which a request has changed on its way without a loss that says so. */
export function undeclared(before: CompletionRequest, after: CompletionRequest, { losses, restore }: Encoded): readonly string[] {
  const names = restore.toolNames ?? new Map<string, string>()
  const one = viewOf(before, (name) => name)
  const other = viewOf(after, (name) => names.get(name) ?? name)
  const restored: Readonly<Partial<Record<Aspect, boolean>>> = {
    stop: restore.stop !== undefined,
    output: restore.enumWrapped === true || restore.rootWrapped === true || restore.schema !== undefined,
    parallelToolCalls: restore.dropParallel === true,
  }
  return (Object.keys(accounts) as Aspect[])
    .filter((aspect) => !isDeepStrictEqual(one[aspect], other[aspect]) && restored[aspect] !== true && !isAccounted(aspect, losses))
    .map((aspect) => `${aspect}: ${JSON.stringify(one[aspect])} became ${JSON.stringify(other[aspect])}`)
}

function isAccounted(aspect: Aspect, losses: readonly Loss[]): boolean {
  return losses.some(({ feature }) =>
    accounts[aspect].some((known) => (known.endsWith('.') ? feature.startsWith(known) : feature === known)),
  )
}

/** A request in a form in which what no wire keeps apart is alike. */
function viewOf(request: CompletionRequest, nameOf: (name: string) => string): View {
  const { sampling, output, reasoning } = request
  return {
    system: request.system.map(({ text, cache }) => ({ text, cache: cache !== undefined })),
    turns: saidIn(request.turns, nameOf),
    tools: offered(request).map((tool) => toolView(tool, nameOf)),
    toolChoice: choiceView(request, nameOf),
    parallelToolCalls: request.tools.length === 0 || request.parallelToolCalls !== false,
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    frequencyPenalty: sampling.frequencyPenalty,
    presencePenalty: sampling.presencePenalty,
    seed: sampling.seed,
    logitBias: sampling.logitBias,
    logprobs: sampling.logprobs,
    topLogprobs: sampling.topLogprobs,
    maxOutputTokens: request.maxOutputTokens,
    stop: request.stop,
    candidates: request.candidates,
    reasoning: { effort: reasoning?.effort, budget: reasoning?.budgetTokens, display: reasoning?.display },
    // Names of formats are invented where a wire demands them.
    output: output.kind === 'schema' ? { kind: output.kind, schema: output.schema } : output,
    outputModalities: request.outputModalities,
    state: request.state,
    account: accountView(request.account),
    unknown: request.unknown.map(({ path }) => path),
  }
}

/** One list of what was said, by whom: how it was cut into turns is each wire's own. */
function saidIn(turns: readonly Turn[], nameOf: (name: string) => string): readonly unknown[] {
  return turns.flatMap(({ role, parts, name }) =>
    parts.map((part) => ({
      by: part.type === 'tool-result' ? 'tool' : role === 'developer' ? 'system' : role,
      name,
      part: partView(part, nameOf),
    })),
  )
}

function partView(part: Content, nameOf: (name: string) => string): unknown {
  switch (part.type) {
    case 'text':
      return { text: part.text, cache: part.cache !== undefined, signed: (part.carriers ?? []).length > 0 }
    case 'tool-call':
      return { id: part.id, call: nameOf(part.name), given: part.arguments.kind === 'json' ? part.arguments.value : part.arguments.text }
    case 'tool-result':
      return { id: part.callId, isError: part.isError, content: resultView(part.content) }
    case 'image':
    case 'file':
    case 'audio':
    case 'video':
      return {
        media: part.type,
        source: 'mimeType' in part.source && part.source.kind === 'url' ? { ...part.source, mimeType: '' } : sourceView(part.source),
        detail: detailOf(part.detail),
      }
    default:
      return part
  }
}

function sourceView(source: { readonly kind: string }): unknown {
  return source.kind === 'url' ? { ...source, mimeType: '' } : source
}

/** Not to say how closely is to leave it to the vendor. */
function detailOf(detail: string | undefined): string | undefined {
  return detail === 'auto' ? undefined : detail
}

function resultView(content: Extract<Content, { type: 'tool-result' }>['content']): unknown {
  if ('kind' in content) return [{ text: JSON.stringify(content.value) }]
  return content.map((part) => partView(part, (name) => name))
}

/** Who may call some tools or none is in the same place as who has only those. */
function offered({ tools, toolChoice }: CompletionRequest): readonly Tool[] {
  if (toolChoice === undefined || toolChoice.mode !== 'auto' || toolChoice.allowed === undefined) return tools
  const { allowed } = toolChoice
  return tools.filter((tool) => tool.type === 'hosted' || allowed.includes(tool.name))
}

function toolView(tool: Tool, nameOf: (name: string) => string): unknown {
  switch (tool.type) {
    case 'function':
      return { name: nameOf(tool.name), description: tool.description, schema: tool.schema, strict: tool.strict === true }
    case 'freeform':
      return { freeform: nameOf(tool.name), grammar: tool.grammar }
    case 'hosted':
      return { hosted: tool.family }
    case 'client-builtin':
      return { builtin: tool.family }
  }
}

function choiceView({ toolChoice, tools }: CompletionRequest, nameOf: (name: string) => string): unknown {
  if (tools.length === 0 || toolChoice === undefined) return { mode: 'auto' }
  if (toolChoice.mode === 'tool') return { mode: 'tool', name: nameOf(toolChoice.name) }
  const { mode, allowed } = toolChoice
  return allowed === undefined || mode === 'auto' ? { mode } : { mode, allowed: allowed.map(nameOf) }
}

/** Who asks goes by many names; what is the default says nothing. */
function accountView(account: CompletionRequest['account']): unknown {
  const { metadata, user, safety_identifier: identifier, ...rest } = account
  const owner = (metadata as { user_id?: unknown } | undefined)?.user_id ?? user ?? identifier
  const shown = Object.entries(rest).filter(
    ([name, value]) =>
      !idle.has(name) &&
      !(name === 'store' && value === false) &&
      !(name === 'service_tier' && (value === 'default' || value === 'auto' || value === 'standard_only')),
  )
  return { ...Object.fromEntries(shown), ...(owner === undefined ? { metadata } : { owner }) }
}

const idle: ReadonlySet<string> = new Set(['stream_options', 'include', 'alt'])
