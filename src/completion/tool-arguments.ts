/** Reads the arguments of a tool call as the model wrote them; never repairs. */
import { tryParseJson } from '../lib/json.ts'
import type { ToolArguments } from './request.ts'

/** A tool without parameters is often called with no text at all: that alone reads as `{}`. */
export function readToolArguments(text: string): ToolArguments {
  const written = text.trim() === '' ? '{}' : text
  const value = tryParseJson(written)
  return value === undefined ? { kind: 'invalid', text } : { kind: 'json', text: written, value }
}
