/** What a manifest may call a wire format, and which format a provider speaks for a model. */
import type { ProtocolId } from '../protocol/protocol.ts'
import type { ProtocolRule } from './endpoint.ts'

/** A format's own id, or the vendor it came from. */
export const protocolNames = {
  chat_completions: 'chat_completions',
  openai: 'chat_completions',
  responses: 'responses',
  messages: 'messages',
  anthropic: 'messages',
  generate_content: 'generate_content',
  google: 'generate_content',
} as const satisfies Readonly<Record<string, ProtocolId>>

export type ProtocolName = keyof typeof protocolNames

/** What an endpoint speaks when its manifest does not say. */
export const DEFAULT_PROTOCOLS: readonly ProtocolId[] = ['chat_completions']

/** Tells whether a glob covers a model id: `*` all, `beginning*` every id with it, anything else only itself. */
export function globMatches(glob: string, modelId: string): boolean {
  return glob.endsWith('*') ? modelId.startsWith(glob.slice(0, -1)) : glob === modelId
}

/** Orders globs so that the first match is the closest: whole ids, then longer beginnings, then `*`. */
export function closestFirst<Rule extends { readonly glob: string }>(rules: readonly Rule[]): readonly Rule[] {
  return rules.toSorted((a, b) => closeness(b.glob) - closeness(a.glob))
}

function closeness(glob: string): number {
  return glob.endsWith('*') ? glob.length - 1 : Number.MAX_SAFE_INTEGER
}

/** Gives the formats of a model, most preferred first. */
export function protocolsFor(rules: readonly ProtocolRule[], modelId: string): readonly ProtocolId[] {
  return closestFirst(rules).find((rule) => globMatches(rule.glob, modelId))?.protocols ?? DEFAULT_PROTOCOLS
}
