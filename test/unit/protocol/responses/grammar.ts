/** Checks a Responses stream against the grammar of its events. */
import { expect } from 'vitest'
import { isRecord, parseJson } from '../../../../src/lib/json.ts'

type Json = Readonly<Record<string, unknown>>

/** Every type that the official helper knows and that an encoder of ours may need; any other makes it throw. */
const known: ReadonlySet<string> = new Set([
  'response.created',
  'response.in_progress',
  'response.output_item.added',
  'response.output_item.done',
  'response.content_part.added',
  'response.content_part.done',
  'response.output_text.delta',
  'response.output_text.done',
  'response.output_text.annotation.added',
  'response.refusal.delta',
  'response.refusal.done',
  'response.reasoning_summary_part.added',
  'response.reasoning_summary_part.done',
  'response.reasoning_summary_text.delta',
  'response.reasoning_summary_text.done',
  'response.function_call_arguments.delta',
  'response.function_call_arguments.done',
  'response.custom_tool_call_input.delta',
  'response.custom_tool_call_input.done',
  'response.image_generation_call.in_progress',
  'response.image_generation_call.completed',
  'response.completed',
  'response.incomplete',
  'response.failed',
])

/** Reads the events of a stream, and checks that each is one write, named as its type, and numbered. */
export function eventsOf(writes: readonly string[]): readonly Json[] {
  return writes.map((write, index) => {
    const match = /^event: ([^\n]+)\ndata: ([^\n]+)\n\n$/.exec(write)
    const event = parseJson(match?.[2] ?? 'null')
    if (!isRecord(event)) throw new Error(`not one event: ${write.slice(0, 80)}`)
    expect(event['type']).toBe(match?.[1])
    expect(event['sequence_number']).toBe(index)
    expect(known).toContain(event['type'])
    return event
  })
}

type Open = { readonly id: unknown; readonly type: unknown; readonly parts: { text: string; isDone: boolean }[]; written: string }

/** Fails at the first event that may not come where it comes. @returns the response of the terminal event. */
export function checkGrammar(writes: readonly string[]): Json {
  const events = eventsOf(writes)
  expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress'])
  const open = new Map<unknown, Open>()
  const finished: Json[] = []
  let items = 0
  for (const event of events.slice(2, -1)) {
    const type = String(event['type'])
    const at = event['output_index']
    const item = isRecord(event['item']) ? event['item'] : undefined
    if (type === 'response.output_item.added') {
      expect(at).toBe(items++)
      open.set(at, { id: item?.['id'], type: item?.['type'], parts: [], written: '' })
      continue
    }
    const known = open.get(at)
    expect(known, `${type} of an item that is not open`).toBeDefined()
    if (known === undefined) continue
    if (type === 'response.output_item.done') {
      expect(item?.['id']).toBe(known.id)
      expect(known.parts.every(({ isDone }) => isDone)).toBe(true)
      finished[Number(at)] = item ?? {}
      open.delete(at)
      continue
    }
    expect(event['item_id']).toBe(known.id)
    checkInner(event, type, known)
  }
  const last = events.at(-1) ?? {}
  expect(last['type']).toMatch(/^response\.(?:completed|incomplete|failed)$/)
  const response = isRecord(last['response']) ? last['response'] : {}
  expect(`response.${String(response['status'])}`).toBe(last['type'])
  if (response['status'] !== 'failed') expect(open.size).toBe(0)
  expect(response['output']).toEqual(finished.filter((item) => item !== undefined))
  const ids = finished.filter((item) => item !== undefined).map((item) => item['id'])
  expect(new Set(ids).size).toBe(ids.length)
  return response
}

function checkInner(event: Json, type: string, item: Open): void {
  const index = Number(event['content_index'] ?? event['summary_index'])
  const delta = event['delta']
  if (delta !== undefined) expect(delta).toMatch(/^[^]+$/)
  if (type.endsWith('_part.added')) {
    expect(index).toBe(item.parts.length)
    item.parts.push({ text: '', isDone: false })
  } else if (/arguments|tool_call_input/.test(type)) {
    if (type.endsWith('.delta')) item.written += String(delta)
    else expect(event['arguments'] ?? event['input']).toBe(item.written)
  } else if (/text|refusal|_part/.test(type)) {
    const part = item.parts[index]
    expect(part?.isDone, `${type} of a part that is not open`).toBe(false)
    if (part === undefined) return
    if (type.endsWith('.delta')) part.text += String(delta)
    else if (type.endsWith('_part.done')) part.isDone = true
    else if (type.endsWith('.done')) expect(event['text'] ?? event['refusal']).toBe(part.text)
  }
}
