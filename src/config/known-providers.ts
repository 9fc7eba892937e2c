/** The sources whose address everybody knows, so that a block may be empty and a key in the environment is enough. */
import type { ProtocolId } from '../protocol/protocol.ts'

export type KnownProvider = {
  readonly id: string
  readonly name: string
  readonly baseUrl: string
  readonly protocols: readonly ProtocolId[]
  /** The variable its own documentation uses. */
  readonly env: string
}

/** In the order in which bare model names are tried. */
export const knownProviders = [
  // https://platform.openai.com/docs/api-reference/introduction
  {
    id: 'openai',
    name: 'OpenAI',
    baseUrl: 'https://api.openai.com/v1',
    protocols: ['chat_completions', 'responses'],
    env: 'OPENAI_API_KEY',
  },
  // https://docs.anthropic.com/en/api/overview
  { id: 'anthropic', name: 'Anthropic', baseUrl: 'https://api.anthropic.com/v1', protocols: ['messages'], env: 'ANTHROPIC_API_KEY' },
  // https://ai.google.dev/api
  {
    id: 'gemini',
    name: 'Google Gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    protocols: ['generate_content'],
    env: 'GEMINI_API_KEY',
  },
  // https://openrouter.ai/docs/api-reference/overview
  {
    id: 'openrouter',
    name: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    protocols: ['chat_completions'],
    env: 'OPENROUTER_API_KEY',
  },
] as const satisfies readonly KnownProvider[]

export function knownProvider(id: string): KnownProvider | undefined {
  return knownProviders.find((provider) => provider.id === id)
}
