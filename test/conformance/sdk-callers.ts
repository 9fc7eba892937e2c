/** The official SDKs as callers: each asks the gateway on its own wire and tells what it got in the same few words. */
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import OpenAI from 'openai'
import type { ProtocolId } from '../../src/protocol/protocol.ts'

/** What a caller can see of an answer. Arguments are told as values where the SDK gives values. */
export type View = {
  readonly text: string
  readonly thought: string
  readonly refusal: string
  /** Id, name, arguments. */
  readonly calls: readonly (readonly [string, string, unknown])[]
  /** In the words of the caller's own wire. */
  readonly finish: string
  readonly usage: Readonly<Record<string, number | undefined>> | undefined
}

export type SdkCaller = {
  /** Asks for a stream and reads it by the SDK's own accumulator. */
  stream(url: string, model: string): Promise<View>
  whole(url: string, model: string): Promise<View>
}

const QUESTION = 'What grows on stone?'

const openai = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k', maxRetries: 0 })

function chatView(completion: OpenAI.ChatCompletion, streamedThought = ''): View {
  const [choice] = completion.choices
  const message = choice?.message as (OpenAI.ChatCompletionMessage & { reasoning_content?: string }) | undefined
  const { usage } = completion
  return {
    text: message?.content ?? '',
    thought: streamedThought === '' ? (message?.reasoning_content ?? '') : streamedThought,
    refusal: message?.refusal ?? '',
    calls: (message?.tool_calls ?? []).map((call) =>
      call.type === 'function' ? [call.id, call.function.name, call.function.arguments] : [call.id, call.custom.name, call.custom.input],
    ),
    finish: choice?.finish_reason ?? '',
    usage: usage && {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      cacheRead: usage.prompt_tokens_details?.cached_tokens,
      reasoning: usage.completion_tokens_details?.reasoning_tokens,
    },
  }
}

const chat: SdkCaller = {
  async stream(url, model) {
    const messages = [{ role: 'user' as const, content: QUESTION }]
    const stream = openai(url).chat.completions.stream({ model, messages, max_tokens: 500, stream_options: { include_usage: true } })
    let thought = ''
    for await (const { choices } of stream) {
      const delta = choices[0]?.index === 0 ? (choices[0].delta as { reasoning_content?: string }) : undefined
      thought += delta?.reasoning_content ?? ''
    }
    return chatView(await stream.finalChatCompletion(), thought)
  },
  async whole(url, model) {
    return chatView(await openai(url).chat.completions.create({ model, messages: [{ role: 'user', content: QUESTION }], max_tokens: 500 }))
  },
}

function responseView(response: OpenAI.Responses.Response): View {
  if (response.status === 'failed') throw new Error(response.error?.message ?? 'failed')
  const { output, usage } = response
  const contents = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  return {
    text: contents.map((part) => (part.type === 'output_text' ? part.text : '')).join(''),
    thought: output.flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : [])).join(''),
    refusal: contents.map((part) => (part.type === 'refusal' ? part.refusal : '')).join(''),
    calls: output.flatMap((item): [string, string, unknown][] => {
      if (item.type === 'function_call') return [[item.call_id, item.name, item.arguments]]
      return item.type === 'custom_tool_call' ? [[item.call_id, item.name, item.input]] : []
    }),
    finish: [response.status, response.incomplete_details?.reason].filter((word) => word !== undefined && word !== null).join('/'),
    usage: usage && {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cacheRead: usage.input_tokens_details.cached_tokens,
      reasoning: usage.output_tokens_details.reasoning_tokens,
    },
  }
}

const responses: SdkCaller = {
  async stream(url, model) {
    return responseView(await openai(url).responses.stream({ model, input: QUESTION, max_output_tokens: 500 }).finalResponse())
  },
  async whole(url, model) {
    return responseView(await openai(url).responses.create({ model, input: QUESTION, max_output_tokens: 500 }))
  },
}

function messageView(message: Anthropic.Message): View {
  const { content, usage } = message
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    thought: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    refusal: message.stop_details?.type === 'refusal' ? (message.stop_details.explanation ?? '') : '',
    calls: content.flatMap((block) => (block.type === 'tool_use' ? [[block.id, block.name, block.input] as const] : [])),
    finish: message.stop_reason ?? '',
    usage: {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cacheRead: usage.cache_read_input_tokens ?? undefined,
      cacheWrite: usage.cache_creation_input_tokens ?? undefined,
    },
  }
}

const anthropic = (url: string): Anthropic => new Anthropic({ baseURL: url, apiKey: 'k', maxRetries: 0 })

const messages: SdkCaller = {
  async stream(url, model) {
    const body = { model, max_tokens: 500, messages: [{ role: 'user' as const, content: QUESTION }] }
    return messageView(await anthropic(url).messages.stream(body).finalMessage())
  },
  async whole(url, model) {
    const body = { model, max_tokens: 500, messages: [{ role: 'user' as const, content: QUESTION }] }
    return messageView(await anthropic(url).messages.create(body))
  },
}

/** Chunks of one answer come to one: parts run on, and the last usage counts. */
function googleView(chunks: readonly GenerateContentResponse[]): View {
  const candidates = chunks.map((chunk) => chunk.candidates?.find(({ index }) => (index ?? 0) === 0))
  const parts = candidates.flatMap((candidate) => candidate?.content?.parts ?? [])
  const usage = chunks.findLast(({ usageMetadata }) => usageMetadata !== undefined)?.usageMetadata
  return {
    text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
    thought: parts.map((part) => (part.thought === true ? (part.text ?? '') : '')).join(''),
    refusal: '',
    calls: parts.flatMap(({ functionCall: call }) => (call === undefined ? [] : [[call.id ?? '', call.name ?? '', call.args] as const])),
    finish: candidates.findLast((candidate) => candidate?.finishReason !== undefined)?.finishReason ?? '',
    usage: usage && {
      input: usage.promptTokenCount,
      output: usage.candidatesTokenCount,
      cacheRead: usage.cachedContentTokenCount,
      reasoning: usage.thoughtsTokenCount,
    },
  }
}

const google = (url: string): GoogleGenAI => new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } })

const generateContent: SdkCaller = {
  async stream(url, model) {
    const chunks: GenerateContentResponse[] = []
    const request = { model, contents: QUESTION, config: { maxOutputTokens: 500 } }
    for await (const chunk of await google(url).models.generateContentStream(request)) chunks.push(chunk)
    return googleView(chunks)
  },
  async whole(url, model) {
    return googleView([await google(url).models.generateContent({ model, contents: QUESTION, config: { maxOutputTokens: 500 } })])
  },
}

export const sdkCallers: Readonly<Record<ProtocolId, SdkCaller>> = {
  chat_completions: chat,
  responses,
  messages,
  generate_content: generateContent,
}
