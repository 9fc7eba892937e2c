/** What a caller asks: turns, tools, output format, sampling and limits, belonging to no vendor. */
import type { ReasoningForm, SignatureCarrier } from './part.ts'

/** The wire formats, named here because carriers and foreign parts remember where they came from. */
export type WireId = 'chat_completions' | 'responses' | 'messages' | 'generate_content'

export type CompletionRequest = {
  readonly model: string
  /** Blocks in order; each source message keeps its own block so that cache marks survive. */
  readonly system: readonly SystemBlock[]
  /** Never merged in advance: encoders merge as their wire demands. */
  readonly turns: readonly Turn[]
  readonly tools: readonly Tool[]
  readonly toolChoice?: ToolChoice
  /** `false` when the caller wants at most one tool call an answer. */
  readonly parallelToolCalls?: boolean
  readonly sampling: Sampling
  readonly maxOutputTokens?: number
  readonly stop: readonly string[]
  /** How many answers are wanted; 1 unless the caller said otherwise. */
  readonly candidates: number
  readonly reasoning?: ReasoningConfig
  readonly output: OutputFormat
  readonly outputModalities: readonly OutputModality[]
  readonly stream: boolean
  /** Ids that only the caller's own provider understands (a previous response, a container, a cached prefix). */
  readonly state: Readonly<Record<string, string>>
  /** Fields that change billing or routing at the vendor but not the answer (`metadata`, `service_tier`, `user`, …). */
  readonly account: Readonly<Record<string, unknown>>
  /** Fields the decoder did not model, by JSON path: carried on the native lane, reported as losses elsewhere. */
  readonly unknown: readonly UnknownField[]
}

export type UnknownField = { readonly path: string; readonly value: unknown }

export type SystemBlock = { readonly text: string; readonly role: 'system' | 'developer'; readonly cache?: CacheMark }

export type Turn = {
  readonly role: 'user' | 'assistant' | 'system' | 'developer' | 'tool'
  readonly parts: readonly Content[]
  readonly name?: string
}

export type CacheMark = { readonly ttl?: '5m' | '30m' | '1h' | '12h' }

export type Content = TextContent | MediaContent | ReasoningContent | ToolCallContent | ToolResultContent | RefusalContent | ForeignContent

export type TextContent = {
  readonly type: 'text'
  readonly text: string
  readonly cache?: CacheMark
  readonly carriers?: readonly SignatureCarrier[]
}
export type RefusalContent = { readonly type: 'refusal'; readonly text: string }
export type MediaContent = {
  readonly type: 'image' | 'audio' | 'video' | 'file'
  readonly source: MediaSource
  readonly detail?: 'auto' | 'low' | 'high' | 'original'
  readonly filename?: string
  readonly cache?: CacheMark
}
export type MediaSource =
  | { readonly kind: 'inline'; readonly mimeType: string; readonly base64: string }
  | { readonly kind: 'url'; readonly url: string; readonly mimeType?: string }
  | { readonly kind: 'id'; readonly wire: WireId; readonly id: string }
  | { readonly kind: 'text'; readonly text: string; readonly title?: string }
export type ReasoningContent = {
  readonly type: 'reasoning'
  readonly form: ReasoningForm
  readonly text: readonly string[]
  readonly carriers: readonly SignatureCarrier[]
}
export type ToolCallContent = {
  readonly type: 'tool-call'
  readonly id: string
  readonly name: string
  /** Kept as the text the model wrote: never repaired silently. */
  readonly arguments: ToolArguments
  readonly carriers?: readonly SignatureCarrier[]
  readonly cache?: CacheMark
}
/** JSON arguments (`text` as written; `value` when it parses) or the free text of a grammar tool. */
export type ToolArguments =
  | { readonly kind: 'json'; readonly text: string; readonly value: unknown }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'invalid'; readonly text: string }
export type ToolResultContent = {
  readonly type: 'tool-result'
  readonly callId: string
  readonly name?: string
  readonly isError: boolean
  readonly content: readonly (TextContent | MediaContent | ForeignContent)[] | { readonly kind: 'json'; readonly value: unknown }
  readonly cache?: CacheMark
}
/** A part that only its own wire understands: exact on the native lane, refused elsewhere. */
export type ForeignContent = { readonly type: 'foreign'; readonly wire: WireId; readonly raw: unknown }

export type Tool =
  | {
      readonly type: 'function'
      readonly name: string
      readonly description?: string
      /** JSON Schema 2020-12 as the caller wrote it; encoders lower it. */
      readonly schema: JsonSchema
      readonly strict?: boolean
      readonly cache?: CacheMark
      /** What the caller declared when it was no plain function; his wire gives its calls back in that shape. */
      readonly origin?: ToolOrigin
    }
  | {
      readonly type: 'freeform'
      readonly name: string
      readonly description?: string
      readonly grammar?: { readonly syntax: 'lark' | 'regex'; readonly definition: string }
      readonly origin?: ToolOrigin
    }
  | {
      readonly type: 'hosted'
      readonly family: string
      readonly wire: WireId
      readonly config: Readonly<Record<string, unknown>>
      readonly raw: unknown
    }
  | { readonly type: 'client-builtin'; readonly family: string; readonly name: string; readonly wire: WireId; readonly raw: unknown }

/** A tool that only the caller's wire has, offered elsewhere as a function: its family there, and how it was declared. */
export type ToolOrigin = { readonly wire: WireId; readonly family: string; readonly raw: Readonly<Record<string, unknown>> }

export type JsonSchema = Readonly<Record<string, unknown>> | boolean

export type ToolChoice =
  | { readonly mode: 'auto' | 'none' | 'required'; readonly allowed?: readonly string[] }
  | { readonly mode: 'tool'; readonly name: string }

export type Sampling = {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly minP?: number
  readonly topA?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  readonly repetitionPenalty?: number
  readonly seed?: number
  readonly logitBias?: Readonly<Record<string, number>>
  readonly logprobs?: boolean
  readonly topLogprobs?: number
}

export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'
export type ReasoningConfig = {
  readonly effort?: ReasoningEffort
  readonly budgetTokens?: number
  readonly adaptive?: boolean
  readonly display?: 'summarized' | 'omitted' | 'full'
}

export type OutputFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema'
      readonly name?: string
      readonly description?: string
      readonly schema: JsonSchema
      readonly strict?: boolean
    }
  | { readonly kind: 'enum'; readonly values: readonly string[] }

export type OutputModality = 'text' | 'image' | 'audio'
