/** Counts what the media of a request may amount to, and what that and its text may cost in tokens. */
import { modalities, type Modality, type Needs } from '../completion/features.ts'
import {
  IMAGE_TOKENS,
  LOW_DETAIL_IMAGE_TOKENS,
  MESSAGE_TOKENS,
  REQUEST_TOKENS,
  TOKENS_PER_MEDIA_CHARACTER,
  TOOLS_TOKENS,
  TYPICAL_BYTES_PER_TOKEN,
  TYPICAL_IMAGE_TOKENS,
  UNSEEN_FILE_TOKENS,
} from './token-bounds.ts'

/** What the media of a request amount to. */
export type MediaCount = {
  images: number
  /** Characters of inline media: bytes of the body that are not text. */
  characters: number
  /** Most tokens that media, and what only its id stands for, may count for. */
  tokens: number
  readonly modalities: Set<Modality>
}

export function createMediaCount(): MediaCount {
  return { images: 0, characters: 0, tokens: 0, modalities: new Set() }
}

/** @param characters - Of its bytes as they stand in the body; 0 when they do not. */
export function addImage(count: MediaCount, characters: number, detail?: unknown): void {
  count.images++
  count.modalities.add('image')
  count.tokens += detail === 'low' ? LOW_DETAIL_IMAGE_TOKENS : IMAGE_TOKENS
  count.characters += characters
}

/** Adds media whose bytes are here, or, when they are not, the most that an unseen file may count for. */
export function addMedia(count: MediaCount, modality: Modality, characters: number): void {
  count.modalities.add(modality)
  count.characters += characters
  count.tokens += characters > 0 ? characters * TOKENS_PER_MEDIA_CHARACTER : UNSEEN_FILE_TOKENS
}

/** Adds so many files that nobody has seen, of no modality. */
export function addUnseen(count: MediaCount, files: number): void {
  count.tokens += files * UNSEEN_FILE_TOKENS
}

/** @returns the characters of a text, 0 for anything else. */
export function charactersOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}

/** @returns the characters of a `data:` URL, 0 for one that leads elsewhere. */
export function inlineCharactersOf(url: unknown): number {
  return typeof url === 'string' && /^data:/i.test(url) ? url.length : 0
}

/**
 * Computes what a request takes in.
 *
 * The bound on input tokens counts one token a byte of the body, inline media excepted: every tokenizer in use spends at least a
 * byte on a token, and JSON's own quotes, names and escapes only add to what is counted. So no text-bearing field can be
 * forgotten, also none that is not modelled.
 *
 * @param request - `messages` are its turns, around each of which a template puts something.
 */
export function inputNeeds(
  count: MediaCount,
  request: { readonly bodyBytes: number; readonly messages: number; readonly tools: number },
): Pick<Needs, 'inputModalities' | 'maxInputTokens' | 'expectedInputTokens' | 'images'> {
  const textBytes = Math.max(0, request.bodyBytes - count.characters)
  const framing = request.messages * MESSAGE_TOKENS + REQUEST_TOKENS + (request.tools > 0 ? TOOLS_TOKENS : 0)
  return {
    inputModalities: count.modalities.size === 0 ? TEXT : modalities.filter((name) => name === 'text' || count.modalities.has(name)),
    maxInputTokens: textBytes + count.tokens + framing,
    expectedInputTokens: Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN) + count.images * TYPICAL_IMAGE_TOKENS,
    images: count.images,
  }
}

/** What nearly every request takes in and gives out: one list, made once. */
export const TEXT: readonly Modality[] = ['text']
