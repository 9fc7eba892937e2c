/** Thoughts and signatures: how this wire carries its own, and how those of other wires ride in its slots. */
import type { SignatureCarrier } from '../../completion/part.ts'
import type { Content, ReasoningContent } from '../../completion/request.ts'
import { isEnvelope, unwrapCarrier, wrapCarrier } from '../carrier.ts'

const WIRE = 'messages'

/** A thought that nobody signed still needs a signature here: clients take a block without one for broken. */
const UNSIGNED = wrapCarrier({ wire: WIRE, kind: 'signature', value: '' })

/** Before the id of the call that a carrier belongs to, in the envelope that follows the call. */
const PART_MARK = 'part:'
const TEXT_PART = `${PART_MARK}text`
const ITEM_SEPARATOR = '\n'

/** Reads a `thinking` block; an envelope in place of the signature gives the carrier that was put into it. */
export function decodeThinking(thinking: string, signature: string): ReasoningContent {
  return {
    type: 'reasoning',
    form: thinking === '' ? 'omitted' : 'full',
    text: thinking === '' ? [] : [thinking],
    carriers: decodeSlot(signature, 'signature'),
  }
}

/** Reads a `redacted_thinking` block. A damaged envelope is nothing: sent on, it would be taken for a provider's own. */
export function decodeRedacted(data: string): readonly ReasoningContent[] {
  const carriers = decodeSlot(data, 'redacted')
  return carriers.length === 0 ? [] : [{ type: 'reasoning', form: 'omitted', text: [], carriers }]
}

function decodeSlot(value: string, kind: 'signature' | 'redacted'): readonly SignatureCarrier[] {
  if (value === '') return []
  if (!isEnvelope(value)) return [{ wire: WIRE, kind, value }]
  const carrier = unwrapCarrier(value)
  return carrier === undefined || carrier.value === '' ? [] : [carrier]
}

/** What stands in a block's slot: the vendor's own value as it is, any other carrier in an envelope. */
export function encodeSlot(carrier: SignatureCarrier): string {
  return isNative(carrier) ? carrier.value : wrapCarrier(carrier)
}

/** Tells whether a carrier is this wire's own and has not been anywhere else. */
function isNative({ wire, kind, provider }: SignatureCarrier): boolean {
  return wire === WIRE && provider === undefined && (kind === 'signature' || kind === 'redacted')
}

/** One thought as the blocks that carry it. `signature` goes into the thinking block, `redacted` each into one of its own. */
export type ThoughtSlots = { readonly signature: string | undefined; readonly redacted: readonly string[] }

/**
 * Chooses the slots for a thought's carriers: with text, or with a signature of this wire, there is a `thinking` block, which
 * takes the first; every other carrier becomes a `redacted_thinking` block.
 */
export function slotsOf(hasText: boolean, carriers: readonly SignatureCarrier[]): ThoughtSlots {
  const own = carriers.find((carrier) => isNative(carrier) && carrier.kind === 'signature')
  const first = own ?? (hasText ? carriers.find((carrier) => !isNative(carrier)) : undefined)
  const redacted = carriers.filter((carrier) => carrier !== first).map(encodeSlot)
  const signature = first === undefined ? (hasText ? UNSIGNED : undefined) : encodeSlot(first)
  return { signature, redacted }
}

/** Writes the carriers of a call or text, which have no slot of their own, into the data of blocks that follow it. */
export function attachedData(carriers: readonly SignatureCarrier[], callId: string | undefined): readonly string[] {
  const mark = callId === undefined ? TEXT_PART : `${PART_MARK}${callId}`
  return carriers.map((carrier) => wrapCarrier({ ...carrier, itemId: [mark, carrier.itemId].filter(isText).join(ITEM_SEPARATOR) }))
}

/**
 * Gives carriers back to the calls and texts they were taken from by {@link attachedData}. Clients move a thought in front of
 * the call it came after, so that a call is looked for on both sides.
 */
export function rejoinCarriers(parts: readonly Content[]): readonly Content[] {
  if (!parts.some(isAttached)) return parts
  const joined = parts.filter((part) => !isAttached(part))
  let before = 0
  for (const part of parts) {
    if (!isAttached(part)) before++
    else for (const carrier of part.carriers) rejoin(joined, before, carrier)
  }
  return joined
}

function rejoin(parts: Content[], before: number, sealed: SignatureCarrier): void {
  const [mark = '', ...item] = (sealed.itemId ?? '').split(ITEM_SEPARATOR)
  const { itemId: _, ...rest } = sealed
  const carrier: SignatureCarrier = item.length === 0 ? rest : { ...rest, itemId: item.join(ITEM_SEPARATOR) }
  const at =
    mark === TEXT_PART
      ? parts.slice(0, before).findLastIndex(({ type }) => type === 'text')
      : parts.findIndex((part) => part.type === 'tool-call' && `${PART_MARK}${part.id}` === mark)
  const owner = parts[at]
  // The client has dropped what it belonged to, so that it belongs to nothing.
  if (owner?.type !== 'text' && owner?.type !== 'tool-call') return
  parts[at] = { ...owner, carriers: [...(owner.carriers ?? []), carrier] }
}

function isAttached(part: Content): part is ReasoningContent {
  return part.type === 'reasoning' && part.text.length === 0 && part.carriers.every(({ itemId }) => itemId?.startsWith(PART_MARK) === true)
}

function isText(value: string | undefined): value is string {
  return value !== undefined
}

/**
 * Takes our envelopes out of a message's blocks before the vendor sees them. One that holds a value of this wire is opened;
 * the thought of another model is left out, as it was when the later ones were signed.
 *
 * @returns `undefined` when nothing has to change.
 */
export function openEnvelopes(
  blocks: readonly unknown[],
  isEnvelopeBlock: (block: unknown) => SealedBlock | undefined,
): readonly unknown[] | undefined {
  const sealed = blocks.map(isEnvelopeBlock)
  if (!sealed.some((found) => found !== undefined)) return undefined
  return blocks.flatMap((block, at) => {
    const found = sealed[at]
    if (found === undefined) return [block]
    const carrier = unwrapCarrier(found.value)
    if (carrier?.wire !== WIRE || carrier.value === '' || carrier.itemId !== undefined) return []
    if (carrier.kind !== (found.slot === 'data' ? 'redacted' : 'signature')) return []
    return [{ ...found.block, [found.slot]: carrier.value }]
  })
}

/** A block with an envelope, and the member it stands in. */
export type SealedBlock = { readonly block: Readonly<Record<string, unknown>>; readonly slot: 'signature' | 'data'; readonly value: string }
