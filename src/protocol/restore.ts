/** Undoes on an answer what a translation did to its request: names, wrappers, stop sequences, one call at a time. */
import type { CompletionPart, PartStream, SignatureCarrier } from '../completion/part.ts'
import type { JsonSchema } from '../completion/request.ts'
import { mapStream } from '../lib/stream.ts'
import { createMemberReader, type MemberForm, type MemberReader } from './member-reader.ts'
import { watchSchema, type SchemaVerdict } from './restore-schema.ts'
import { isTerminal, type Stage } from './restore-stage.ts'
import { cutAtStop } from './restore-stop.ts'

export type { SchemaVerdict } from './restore-schema.ts'

/** What an encoder asks to have undone. An absent member means that there is nothing of the kind. */
export type Restore = {
  /** From the wire's names to the caller's, as {@link mapToolNames} gives them. */
  readonly toolNames?: ReadonlyMap<string, string>
  /** Free-form tools, by the caller's names, that went out as functions with one string named `input`. */
  readonly freeformTools?: ReadonlySet<string>
  /** Sequences the upstream was not told of: the answer is cut before the first, and the upstream is left. */
  readonly stop?: readonly string[]
  /** An enum of strings went out as `{"value": …}`: the text becomes the bare value. */
  readonly enumWrapped?: boolean
  /** A schema whose root is no object went out as `{"value": …}`: the text becomes the JSON of the value. */
  readonly rootWrapped?: boolean
  /** The caller's own schema: the answer's text is judged by it. Encoders set it when another one has to judge than what went out. */
  readonly schema?: JsonSchema
  /** The caller wanted at most one call and the wire cannot say so: only the first of each candidate is delivered. */
  readonly dropParallel?: boolean
  /** How many answers were asked for; 1 when absent. Stopping all of them is what ends the upstream's stream. */
  readonly candidates?: number
  /** Who answers: written on carriers that do not name their issuer, so that they find their way back. */
  readonly issuer?: { readonly provider: string; readonly modelFamily?: string }
}

/** Nothing to undo. */
export const nothingToRestore: Restore = {}

/** Something that could not be restored as it should be; the answer goes on. */
export type RestoreNote =
  /** A call after the first was taken out. `name` is the caller's. */
  | { readonly kind: 'parallel_call_dropped'; readonly candidate: number; readonly name: string }
  /** A wrapped value did not come in its wrapper, or is not whole; what came is delivered as it is. */
  | { readonly kind: 'wrapper_broken'; readonly block: number }

export type RestoreObserver = {
  /** Called for each candidate with text before its `finish` is delivered. */
  readonly onSchema?: (verdict: SchemaVerdict) => void
  readonly onNote?: (note: RestoreNote) => void
}

/** The member that carries a free-form tool's text. */
export const FREEFORM_MEMBER = 'input'

/** The member that carries a wrapped enum or root. */
export const WRAPPED_MEMBER = 'value'

/**
 * Restores an answer part by part; how its deltas are split changes nothing but the split.
 *
 * Order: issuers, names, parallel calls, free-form tools, wrapped text, stop sequences, and last the schema, which thus
 * judges what the caller sees. When stop sequences have ended every candidate, a `finish` with the usage known by then
 * (`undefined` when none was) is yielded and the source is left, which ends the exchange with the upstream.
 */
export function restoreParts(stream: PartStream, restore: Restore, observer: RestoreObserver = {}): PartStream {
  const { issuer } = restore
  const stages = stagesOf(restore, observer)
  const named = issuer === undefined ? stream : mapStream(stream, nameIssuer(issuer))
  const restored = stages.length === 0 ? named : applyStages(named, stages)
  if (restore.schema === undefined || observer.onSchema === undefined) return restored
  return watchSchema(restored, restore.schema, observer.onSchema)
}

function stagesOf(restore: Restore, observer: RestoreObserver): readonly Stage[] {
  const { toolNames, freeformTools, stop = [] } = restore
  const stages: Stage[] = []
  if (toolNames !== undefined && toolNames.size > 0) stages.push(renameTools(toolNames))
  if (restore.dropParallel === true) stages.push(keepFirstCall(observer))
  if (freeformTools !== undefined && freeformTools.size > 0) stages.push(unwrapFreeform(freeformTools, observer))
  if (restore.enumWrapped === true) stages.push(unwrapText('string', observer))
  else if (restore.rootWrapped === true) stages.push(unwrapText('json', observer))
  if (stop.some((sequence) => sequence !== '')) stages.push(cutAtStop(stop, restore.candidates ?? 1))
  return stages
}

async function* applyStages(stream: PartStream, stages: readonly Stage[]): AsyncGenerator<readonly CompletionPart[]> {
  for await (const parts of stream) {
    const restored: CompletionPart[] = []
    let isEnded = false
    for (const part of parts) {
      const made = through(stages, [part])
      restored.push(...made)
      // The source's own end is read to the last byte; an end that we made leaves the source.
      isEnded = !isTerminal(part) && made.some(isTerminal)
      if (isEnded) break
    }
    if (restored.length > 0) yield restored
    if (isEnded) return
  }
}

function through(stages: readonly Stage[], parts: readonly CompletionPart[]): readonly CompletionPart[] {
  return stages.reduce((current, stage) => current.flatMap((each) => stage(each)), parts)
}

function nameIssuer(issuer: NonNullable<Restore['issuer']>): (parts: readonly CompletionPart[]) => readonly CompletionPart[] {
  const name = (carrier: SignatureCarrier): SignatureCarrier => (carrier.provider === undefined ? { ...carrier, ...issuer } : carrier)
  return (parts) =>
    parts.some(hasCarriers) ? parts.map((part) => (hasCarriers(part) ? { ...part, carriers: part.carriers.map(name) } : part)) : parts
}

/** Blocks alone carry signatures, and at their end. */
function hasCarriers(part: CompletionPart): part is Carrying {
  const isEnd = part.type === 'text-end' || part.type === 'reasoning-end' || part.type === 'tool-input-end'
  return isEnd && part.carriers !== undefined && part.carriers.length > 0
}

type Carrying = Extract<CompletionPart, { readonly carriers?: unknown }> & { readonly carriers: readonly SignatureCarrier[] }

function renameTools(names: ReadonlyMap<string, string>): Stage {
  return (part) => (part.type === 'tool-input-start' ? [{ ...part, name: names.get(part.name) ?? part.name }] : [part])
}

function keepFirstCall(observer: RestoreObserver): Stage {
  const served = new Set<number>()
  const dropped = new Set<number>()
  return (part) => {
    if (part.type === 'tool-input-start') {
      if (!served.has(part.candidate)) {
        served.add(part.candidate)
        return [part]
      }
      dropped.add(part.block)
      observer.onNote?.({ kind: 'parallel_call_dropped', candidate: part.candidate, name: part.name })
      return []
    }
    const isOfCall = part.type === 'tool-input-delta' || part.type === 'tool-input-end'
    return isOfCall && dropped.has(part.block) ? [] : [part]
  }
}

function unwrapFreeform(tools: ReadonlySet<string>, observer: RestoreObserver): Stage {
  const unwrap = unwrapBlocks('tool-input-delta', observer)
  return (part) => {
    if (part.type === 'tool-input-start' && tools.has(part.name)) {
      unwrap.open(part.block, createMemberReader(FREEFORM_MEMBER, 'string'))
      return [{ ...part, freeform: true }]
    }
    return unwrap.pass(part)
  }
}

function unwrapText(form: MemberForm, observer: RestoreObserver): Stage {
  const unwrap = unwrapBlocks('text-delta', observer)
  return (part) => {
    if (part.type === 'text-start') unwrap.open(part.block, createMemberReader(WRAPPED_MEMBER, form))
    return unwrap.pass(part)
  }
}

/** Feeds the deltas of opened blocks through their readers; what a reader still holds is given before the block's end. */
function unwrapBlocks(type: 'text-delta' | 'tool-input-delta', observer: RestoreObserver) {
  const readers = new Map<number, MemberReader>()
  const delta = (block: number, text: string): readonly CompletionPart[] => (text === '' ? [] : [{ type, block, text }])
  const close = (block: number, reader: MemberReader): readonly CompletionPart[] => {
    readers.delete(block)
    const { text, intact } = reader.end()
    if (!intact) observer.onNote?.({ kind: 'wrapper_broken', block })
    return delta(block, text)
  }
  return {
    open: (block: number, reader: MemberReader): void => void readers.set(block, reader),
    pass(part: CompletionPart): readonly CompletionPart[] {
      if (isTerminal(part)) return [...[...readers].flatMap(([block, reader]) => close(block, reader)), part]
      if (!('block' in part)) return [part]
      const reader = readers.get(part.block)
      if (reader === undefined) return [part]
      if (part.type === type) return delta(part.block, reader.push(part.text))
      return part.type === 'text-end' || part.type === 'tool-input-end' ? [...close(part.block, reader), part] : [part]
    },
  }
}
