/** `api_protocol`: which wire formats a provider speaks, for all of its models or by glob. */
import * as z from 'zod'
import type { ProtocolId } from '../protocol/protocol.ts'
import type { ProtocolRule } from '../registry/endpoint.ts'
import { protocolNames } from '../registry/protocol-name.ts'
import { complain } from './fields.ts'
import { nearest } from './nearest.ts'

const words: Readonly<Record<string, ProtocolId>> = protocolNames

const protocol = z.string().transform((word, context): ProtocolId => {
  const id = Object.hasOwn(words, word) ? words[word] : undefined
  if (id !== undefined) return id
  const meant = nearest(word, Object.keys(words))
  const help = meant === undefined ? `one of ${Object.keys(words).join(', ')}` : `did you mean ${meant}?`
  complain(context, 'unknown_protocol', `${JSON.stringify(word.slice(0, 40))} is not a wire format; ${help}`)
  return z.NEVER
})

/** Most preferred first. */
const preferred = z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(protocol).min(1).max(4))

const glob = z
  .string()
  .max(200)
  .regex(/^(?:\*|[^*\s]+\*?)$/, 'a glob is a model id, a beginning with "*" at its end, or "*"')

/** One glob with its formats, as a list item of a single key. */
const rule = z.record(glob, preferred).transform((entry, context): ProtocolRule => {
  const [first, second] = Object.entries(entry)
  if (first === undefined || second !== undefined) {
    complain(context, 'bad_rule', 'write one glob for each list item, such as - "*": chat_completions')
    return z.NEVER
  }
  return { glob: first[0], protocols: first[1] }
})

/** A word, a list of words, or a list of `{ glob: word or list }`; always read into rules. */
export const protocolRules = z.preprocess(toRuleList, z.array(rule).min(1).max(64))

function toRuleList(value: unknown): unknown {
  if (typeof value === 'string') return [{ '*': [value] }]
  const isWordList = Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
  return isWordList ? [{ '*': value }] : value
}
