/** Puts the tool calls of one candidate together from their pieces, however an upstream numbers them. */
import { createHash } from 'node:crypto'
import { RouteplaneError } from '../../errors.ts'
import type { CompletionPart, SignatureCarrier } from '../../completion/part.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'

/** Where parts go, and where block numbers come from. */
export type Emitter = { readonly emit: (part: CompletionPart) => void; readonly nextBlock: () => number }

export type ToolCalls = {
  /** Takes one piece. @throws {@link RouteplaneError} `upstream_bad_stream` for numbers no answer has. */
  add(piece: Readonly<Record<string, unknown>>): void
  /** Ends every call. @throws {@link RouteplaneError} `upstream_bad_stream` for a call that never got a name. */
  end(): void
  count(): number
  /** Whether some call's arguments do not parse; known after {@link ToolCalls.end}. */
  hasBroken(): boolean
}

type Call = {
  readonly index: number | undefined
  id: string | undefined
  name: string | undefined
  freeform: boolean
  /** Set once the call has been announced, for which it needs its name. */
  block: number | undefined
  text: string
  signature: string | undefined
}

/** Far beyond real answers: a number above is an attack on whoever keeps an array. */
const MAX_INDEX = 9_999
const MAX_CALLS = 1_024

/**
 * Creates the assembly. Pieces are matched by index, else by id, else they continue the last call; an id or name that comes
 * late, twice or empty is taken as meant, and two calls under one index are told apart by their ids.
 */
export function createToolCalls(candidate: number, responseId: () => string, { emit, nextBlock }: Emitter): ToolCalls {
  const calls: Call[] = []
  let hasBroken = false

  const append = (call: Call, text: string): void => {
    if (text === '') return
    call.text += text
    if (call.block !== undefined) emit({ type: 'tool-input-delta', block: call.block, text })
  }
  const announce = (call: Call): void => {
    if (call.block !== undefined || call.name === undefined) return
    call.block = nextBlock()
    call.id ??= inventId(responseId(), candidate, calls.indexOf(call))
    emit({ type: 'tool-input-start', block: call.block, candidate, id: call.id, name: call.name, freeform: call.freeform })
    if (call.text !== '') emit({ type: 'tool-input-delta', block: call.block, text: call.text })
  }
  const finish = (call: Call): void => {
    if (call.block === undefined) throw new RouteplaneError('upstream_bad_stream', 'the upstream called a tool without naming it')
    if (!call.freeform) {
      if (call.text.trim() === '') append(call, '{}')
      else if (tryParseJson(call.text) === undefined) hasBroken = true
    }
    emit({ type: 'tool-input-end', block: call.block, ...carriersOf(call) })
  }
  return {
    add: (raw) => {
      const piece = readPiece(raw)
      if (isEmpty(piece)) return
      let call = findCall(calls, piece)
      if (call === undefined) {
        if (calls.length >= MAX_CALLS) throw new RouteplaneError('upstream_bad_stream', `the upstream called more than ${MAX_CALLS} tools`)
        call = {
          index: piece.index,
          id: piece.id,
          name: piece.name,
          freeform: piece.freeform,
          block: undefined,
          text: '',
          signature: undefined,
        }
        calls.push(call)
      }
      call.id ??= piece.id
      call.name ??= piece.name
      call.signature ??= piece.signature
      announce(call)
      append(call, piece.text)
    },
    end: () => calls.forEach(finish),
    count: () => calls.length,
    hasBroken: () => hasBroken,
  }
}

type Piece = {
  readonly index: number | undefined
  readonly id: string | undefined
  readonly name: string | undefined
  readonly freeform: boolean
  readonly text: string
  readonly signature: string | undefined
}

function readPiece(raw: Readonly<Record<string, unknown>>): Piece {
  const custom = isRecord(raw['custom']) ? raw['custom'] : undefined
  const given = custom ?? (isRecord(raw['function']) ? raw['function'] : {})
  const { index } = raw
  if (typeof index === 'number' && (!Number.isInteger(index) || index < 0 || index > MAX_INDEX)) {
    throw new RouteplaneError('upstream_bad_stream', `the upstream numbered a tool call beyond ${MAX_INDEX}`)
  }
  const google = isRecord(raw['extra_content']) ? raw['extra_content']['google'] : undefined
  return {
    index: typeof index === 'number' ? index : undefined,
    id: meant(raw['id']),
    name: meant(given['name']),
    freeform: custom !== undefined,
    text: textOf(custom === undefined ? given['arguments'] : given['input']),
    signature: isRecord(google) ? meant(google['thought_signature']) : undefined,
  }
}

/** Nulls in every place but the index say nothing, and begin no call. */
function isEmpty({ id, name, text, signature }: Piece): boolean {
  return id === undefined && name === undefined && text === '' && signature === undefined
}

/** Empty, and the word `null`, are how some servers write an absent id or name. */
function meant(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== 'null' ? value : undefined
}

/** Arguments are text by the reference; a server that sends the object itself means its JSON. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}

function findCall(calls: readonly Call[], piece: Piece): Call | undefined {
  if (piece.index !== undefined) {
    const call = calls.findLast(({ index }) => index === piece.index)
    return call !== undefined && isAnother(call, piece) ? undefined : call
  }
  if (piece.id !== undefined) {
    const known = calls.find(({ id }) => id === piece.id)
    if (known !== undefined) return known
  }
  const last = calls.at(-1)
  return last !== undefined && isAnother(last, piece) ? undefined : last
}

/** Whether a piece that seems to belong to a call begins the next one. */
function isAnother(call: Call, piece: Piece): boolean {
  if (piece.id !== undefined && call.id !== undefined && piece.id !== call.id) return piece.name !== undefined || isWhole(call)
  if (piece.name === undefined || call.name === undefined) return false
  return piece.id === undefined && isWhole(call) && (piece.text !== '' || piece.name !== call.name)
}

function isWhole(call: Call): boolean {
  return isRecord(tryParseJson(call.text))
}

function carriersOf(call: Call): { readonly carriers?: readonly SignatureCarrier[] } {
  if (call.signature === undefined) return {}
  return { carriers: [{ wire: 'chat_completions', kind: 'thought_signature', value: call.signature }] }
}

/** The same answer read twice gives the same ids, so that a history resent keeps matching its results. */
function inventId(responseId: string, candidate: number, ordinal: number): string {
  const digest = createHash('sha256').update(`${responseId}\n${candidate}\n${ordinal}`).digest('hex')
  return `call_${digest.slice(0, 24)}`
}
