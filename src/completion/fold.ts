/** Folds the parts of an answer into a whole one, and unfolds a whole one into parts. */
import { RouteplaneError } from '../errors.ts'
import type { CompletionPart, Extra, Finish, PartStream, SignatureCarrier } from './part.ts'
import type { Content, ReasoningContent, ToolCallContent } from './request.ts'
import type { Candidate, CompletionResult } from './result.ts'
import { readToolArguments } from './tool-arguments.ts'
import type { Usage } from './usage.ts'

/** A block while it grows. */
type Block =
  | { readonly kind: 'text'; text: string; carriers: readonly SignatureCarrier[] }
  | { readonly kind: 'refusal'; text: string }
  | { readonly kind: 'reasoning'; readonly form: ReasoningContent['form']; text: string; carriers: readonly SignatureCarrier[] }
  | {
      readonly kind: 'tool'
      readonly id: string
      readonly name: string
      readonly freeform: boolean
      text: string
      carriers: readonly SignatureCarrier[]
    }

type Draft = { readonly blocks: Block[]; readonly extras: Extra[] }

type Fold = {
  start: Extract<CompletionPart, { type: 'start' }> | undefined
  readonly blocks: Map<number, Block>
  readonly drafts: Map<number, Draft>
  usage: Usage | undefined
}

/**
 * Reads parts to their end and gives the whole answer: blocks in the order they began, empty texts left out.
 *
 * @throws {@link RouteplaneError} the error of an error part; `stream_incomplete` when the parts end without `finish`.
 */
export async function foldParts(stream: PartStream): Promise<CompletionResult> {
  const fold = createFold()
  for await (const parts of stream) {
    for (const part of parts) {
      const result = step(fold, part)
      if (result !== undefined) return result
    }
  }
  throw unfinished()
}

/** The same for parts that are all there. @throws {@link RouteplaneError} as {@link foldParts}. */
export function foldAll(parts: Iterable<CompletionPart>): CompletionResult {
  const fold = createFold()
  for (const part of parts) {
    const result = step(fold, part)
    if (result !== undefined) return result
  }
  throw unfinished()
}

function createFold(): Fold {
  return { start: undefined, blocks: new Map(), drafts: new Map(), usage: undefined }
}

/** @returns the result once the last part has come. */
function step(fold: Fold, part: CompletionPart): CompletionResult | undefined {
  if (part.type === 'error') throw part.error
  if (part.type === 'finish') return toResult(fold, part.finishes, part.usage ?? fold.usage)
  add(fold, part)
  return undefined
}

function unfinished(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the answer ended without saying that it was finished')
}

function add(fold: Fold, part: CompletionPart): void {
  if (part.type === 'start') fold.start = part
  else if (part.type === 'usage') fold.usage = part.usage
  else if (part.type === 'refusal-delta') refuse(draftOf(fold, part.candidate), part.text)
  else if (part.type === 'extra') draftOf(fold, part.candidate).extras.push(part.extra)
  else if ('block' in part) addToBlock(fold, part)
}

function addToBlock(fold: Fold, part: Exclude<Extract<CompletionPart, { block: number }>, { type: 'extra' }>): void {
  switch (part.type) {
    case 'text-start':
      open(fold, part, { kind: 'text', text: '', carriers: [] })
      break
    case 'reasoning-start':
      open(fold, part, { kind: 'reasoning', form: part.form, text: '', carriers: [] })
      break
    case 'tool-input-start':
      open(fold, part, { kind: 'tool', id: part.id, name: part.name, freeform: part.freeform, text: '', carriers: [] })
      break
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-input-delta':
      blockOf(fold, part.block).text += part.text
      break
    case 'text-end':
    case 'reasoning-end':
    case 'tool-input-end':
      close(fold, part)
      break
  }
}

function open(fold: Fold, at: { readonly block: number; readonly candidate: number }, block: Block): void {
  fold.blocks.set(at.block, block)
  draftOf(fold, at.candidate).blocks.push(block)
}

function close(fold: Fold, part: { readonly block: number; readonly carriers?: readonly SignatureCarrier[] }): void {
  const block = blockOf(fold, part.block)
  if (block.kind !== 'refusal' && part.carriers !== undefined) block.carriers = part.carriers
}

function refuse(draft: Draft, text: string): void {
  const known = draft.blocks.find((block) => block.kind === 'refusal')
  if (known === undefined) draft.blocks.push({ kind: 'refusal', text })
  else known.text += text
}

function blockOf(fold: Fold, number: number): Block {
  const block = fold.blocks.get(number)
  if (block === undefined) throw new RouteplaneError('internal', `a part belongs to block ${number}, which never began`)
  return block
}

function draftOf(fold: Fold, candidate: number): Draft {
  const known = fold.drafts.get(candidate)
  if (known !== undefined) return known
  const draft: Draft = { blocks: [], extras: [] }
  fold.drafts.set(candidate, draft)
  return draft
}

function toResult(fold: Fold, finishes: readonly Finish[], usage: Usage | undefined): CompletionResult {
  for (const { candidate } of finishes) draftOf(fold, candidate)
  const candidates = [...fold.drafts]
    .toSorted(([a], [b]) => a - b)
    .map(([index, draft]): Candidate => {
      const finish = finishes.find(({ candidate }) => candidate === index)
      return {
        index,
        content: draft.blocks.flatMap(toContent),
        extras: draft.extras,
        finish: finish ?? { candidate: index, reason: 'other' },
      }
    })
  const { start } = fold
  return {
    id: start?.id ?? '',
    model: start?.model ?? '',
    ...(start?.createdSeconds === undefined ? {} : { createdSeconds: start.createdSeconds }),
    candidates,
    usage,
  }
}

function toContent(block: Block): Content[] {
  const carriers = 'carriers' in block && block.carriers.length > 0 ? { carriers: block.carriers } : {}
  switch (block.kind) {
    case 'text':
      return block.text === '' && !('carriers' in carriers) ? [] : [{ type: 'text', text: block.text, ...carriers }]
    case 'refusal':
      return [{ type: 'refusal', text: block.text }]
    case 'reasoning':
      return [{ type: 'reasoning', form: block.form, text: block.text === '' ? [] : [block.text], carriers: block.carriers }]
    case 'tool': {
      const written = block.freeform ? ({ kind: 'text', text: block.text } as const) : readToolArguments(block.text)
      return [{ type: 'tool-call', id: block.id, name: block.name, arguments: written, ...carriers }]
    }
  }
}

/**
 * Gives the parts that {@link foldParts} would fold into this answer again.
 *
 * Inline media and foreign content, which no wire streams as a block of its own, become `extra` parts.
 *
 * @throws {@link RouteplaneError} `internal` for content that only a request can carry.
 */
export function* unfoldResult(result: CompletionResult): Generator<CompletionPart, void, undefined> {
  const created = result.createdSeconds === undefined ? {} : { createdSeconds: result.createdSeconds }
  yield { type: 'start', id: result.id, model: result.model, ...created }
  let block = 0
  for (const candidate of result.candidates) {
    for (const content of candidate.content) yield* unfoldContent(content, candidate.index, block++)
    for (const extra of candidate.extras) yield { type: 'extra', block: block++, candidate: candidate.index, extra }
  }
  yield { type: 'finish', finishes: result.candidates.map(({ finish }) => finish), usage: result.usage }
}

function* unfoldContent(content: Content, candidate: number, block: number): Generator<CompletionPart, void, undefined> {
  switch (content.type) {
    case 'text':
      yield { type: 'text-start', block, candidate }
      if (content.text !== '') yield { type: 'text-delta', block, text: content.text }
      yield { type: 'text-end', block, ...(content.carriers === undefined ? {} : { carriers: content.carriers }) }
      break
    case 'refusal':
      yield { type: 'refusal-delta', candidate, text: content.text }
      break
    case 'reasoning': {
      yield { type: 'reasoning-start', block, candidate, form: content.form }
      const text = content.text.join('\n\n')
      if (text !== '') yield { type: 'reasoning-delta', block, text }
      yield { type: 'reasoning-end', block, carriers: content.carriers }
      break
    }
    case 'tool-call':
      yield* unfoldCall(content, candidate, block)
      break
    default:
      yield { type: 'extra', block, candidate, extra: toExtra(content) }
  }
}

function* unfoldCall(call: ToolCallContent, candidate: number, block: number): Generator<CompletionPart, void, undefined> {
  const freeform = call.arguments.kind === 'text'
  yield { type: 'tool-input-start', block, candidate, id: call.id, name: call.name, freeform }
  if (call.arguments.text !== '') yield { type: 'tool-input-delta', block, text: call.arguments.text }
  yield { type: 'tool-input-end', block, ...(call.carriers === undefined ? {} : { carriers: call.carriers }) }
}

function toExtra(content: Content): Extra {
  if (content.type === 'foreign') return { kind: 'foreign', wire: content.wire, raw: content.raw }
  const isShown = content.type === 'image' || content.type === 'audio'
  if (!isShown || content.source.kind !== 'inline') throw cannotUnfold(content.type)
  return { kind: content.type, mimeType: content.source.mimeType, base64: content.source.base64 }
}

function cannotUnfold(type: string): RouteplaneError {
  return new RouteplaneError('internal', `an answer cannot carry ${type} content in this form`)
}
