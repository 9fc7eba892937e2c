/** Encodes tool calls as the items their tools were declared for. */
import type { Tool, ToolOrigin } from '../../completion/request.ts'
import { tryParseJson } from '../../lib/json.ts'
import { wireToolId } from '../tool-ids.ts'
import { clientToolFrom } from './client-tools.ts'
import type { OutputSink } from './output-sink.ts'

type Json = Readonly<Record<string, unknown>>

type Call = {
  readonly callId: string
  readonly name: string
  readonly freeform: boolean
  readonly origin: ToolOrigin | undefined
  /** Not yet for a call whose item needs all of its arguments at once. */
  item: { readonly id: string; readonly index: number } | undefined
  text: string
  isOver: boolean
}

export type CallEncoder = {
  open(call: { readonly block: number; readonly id: string; readonly name: string; readonly freeform: boolean }): void
  add(block: number, text: string): void
  /** @returns the call's id as the caller knows it. */
  end(block: number): string | undefined
  /** Ends calls whose arguments do not parse, which an answer that was cut short may leave behind. */
  close(): void
}

/**
 * Creates the encoder. Clients run a call as soon as its item is done: one whose arguments are no JSON is held back until it is known
 * how the answer ended.
 *
 * @param onItem - Called before an item begins.
 */
export function createCallEncoder(sink: OutputSink, tools: readonly Tool[], onItem: () => void): CallEncoder {
  const calls = new Map<number, Call>()

  const begin = (call: Call): void => {
    onItem()
    const id = sink.newId(call.freeform ? 'ctc' : 'fc')
    call.item = { id, index: sink.begin(itemOf(call, id, '', 'in_progress')) }
  }
  const emitDelta = (call: Call, text: string): void => {
    if (call.item === undefined) return
    const type = call.freeform ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta'
    sink.emit(type, { ...place(call.item), delta: text })
  }
  const finish = (call: Call, status: 'completed' | 'incomplete'): void => {
    call.isOver = true
    const { item, text } = call
    if (item === undefined) return
    if (call.freeform) sink.emit('response.custom_tool_call_input.done', { ...place(item), input: text })
    else sink.emit('response.function_call_arguments.done', { ...place(item), arguments: text, name: call.name })
    sink.end(item.index, itemOf(call, item.id, text, status))
  }
  return {
    open: ({ block, id, name, freeform }) => {
      const origin = tools.find((tool) => (tool.type === 'function' || tool.type === 'freeform') && tool.name === name)
      const call: Call = {
        callId: wireToolId(id, 'openai'),
        name,
        freeform,
        origin: origin !== undefined && 'origin' in origin ? origin.origin : undefined,
        item: undefined,
        text: '',
        isOver: false,
      }
      calls.set(block, call)
      if (clientToolFrom(call.origin) === undefined) begin(call)
    },
    add: (block, text) => {
      const call = calls.get(block)
      if (call === undefined || text === '') return
      call.text += text
      emitDelta(call, text)
    },
    end: (block) => {
      const call = calls.get(block)
      if (call === undefined) return undefined
      if (!call.freeform && call.text.trim() === '') {
        call.text = '{}'
        emitDelta(call, '{}')
      }
      const value = call.freeform ? call.text : tryParseJson(call.text)
      if (value === undefined) return call.callId
      if (call.item === undefined && endClientCall(sink, call, value, onItem)) return call.callId
      if (call.item === undefined) {
        begin(call)
        emitDelta(call, call.text)
      }
      finish(call, 'completed')
      return call.callId
    },
    close: () => {
      for (const call of calls.values()) {
        if (call.isOver) continue
        if (call.item === undefined) begin(call)
        finish(call, 'incomplete')
      }
    },
  }
}

/** @returns `false` when the arguments are not those of the tool: the call is then shown as the function call it was. */
function endClientCall(sink: OutputSink, call: Call, value: unknown, onItem: () => void): boolean {
  const tool = clientToolFrom(call.origin)
  const members = tool?.toItem(value)
  if (tool === undefined || members === undefined) return false
  call.isOver = true
  onItem()
  const item = { id: sink.newId('call'), type: tool.callType, call_id: call.callId, ...members }
  const index = sink.begin({ ...item, status: 'in_progress' })
  sink.end(index, { ...item, status: 'completed' })
  return true
}

function itemOf(call: Call, id: string, text: string, status: 'in_progress' | 'completed' | 'incomplete'): Json {
  const { callId, freeform } = call
  const name = nameOf(call)
  if (freeform) return { id, type: 'custom_tool_call', call_id: callId, ...name, input: text, status }
  return { id, type: 'function_call', call_id: callId, ...name, arguments: text, status }
}

/** A tool that was declared in a namespace is called by it. */
function nameOf({ name, origin }: Call): Json {
  if (origin?.wire !== 'responses' || origin.family !== 'namespace') return { name }
  return { name: origin.raw['name'], namespace: origin.raw['namespace'] }
}

function place({ id, index }: { readonly id: string; readonly index: number }): Json {
  return { item_id: id, output_index: index }
}
