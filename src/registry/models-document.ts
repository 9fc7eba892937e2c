/** Reads the document at a provider's `models_url` row by row: one bad model never hides the others. */
import { features, modalities, samplingParameters } from '../completion/features.ts'
import { isRecord } from '../lib/json.ts'
import { parseUsd, type Usd } from '../money.ts'
import { isUpstreamModelId } from './model-id.ts'
import { quantizations, type ModelRow } from './model-row.ts'
import type { PriceTier, Pricing } from './pricing.ts'
import { isDay, printable, quoted } from './scalar.ts'

/** Rows above which a document is refused whole. */
const MAX_MODEL_ROWS = 20_000
const MAX_TIERS = 16
const MAX_TOKENS = 1_000_000_000
const MAX_NAME = 200
/** The year 2286; whatever is greater is not in seconds. */
const MAX_SECONDS = 9_999_999_999

export type ModelsDocument = {
  readonly rows: readonly ModelRow[]
  /** Models that are left out, each with the reason. */
  readonly rejected: readonly RowProblem[]
  /** Fields that were left out of rows that stay. */
  readonly ignored: readonly RowProblem[]
}

export type RowProblem = {
  readonly code: 'model_rejected' | 'field_ignored'
  /** Position in `data`. */
  readonly index: number
  /** As far as it could be read; safe to show. */
  readonly id?: string
  readonly field?: string
  readonly reason: string
}

export type ModelsDocumentOptions = {
  /** Whether a row without prices is left out. A stranger's must have them; a user's own server may have none. */
  readonly requirePricing: boolean
}

/**
 * Reads a parsed models document.
 *
 * @returns a reason instead when it is no models document at all; then the last good one stays.
 * @see Registry guide, "Models Endpoint" and "Tiered Pricing"
 */
export function readModelsDocument(json: unknown, options: ModelsDocumentOptions): ModelsDocument | { readonly reason: string } {
  const entries = isRecord(json) ? json['data'] : undefined
  if (!Array.isArray(entries)) return { reason: 'the document has no list named data' }
  if (entries.length > MAX_MODEL_ROWS) return { reason: `the document lists ${entries.length} models; at most ${MAX_MODEL_ROWS} are read` }
  const rows: { readonly row: ModelRow; readonly index: number }[] = []
  const rejected: RowProblem[] = []
  const ignored: RowProblem[] = []
  entries.forEach((entry: unknown, index) => {
    const id = isRecord(entry) && typeof entry['id'] === 'string' ? printable(entry['id'], MAX_NAME) : undefined
    const named = { index, ...(id === undefined ? {} : { id }) }
    const read = readRow(entry, options)
    if ('reason' in read) rejected.push({ code: 'model_rejected', ...named, ...read })
    else {
      rows.push({ row: read.row, index })
      ignored.push(...read.ignored.map((problem): RowProblem => ({ code: 'field_ignored', ...named, ...problem })))
    }
  })
  return { ...withoutTwins(rows, rejected), ignored }
}

type FieldProblem = { readonly field: string; readonly reason: string }
type RowRead = { readonly row: ModelRow; readonly ignored: readonly FieldProblem[] } | { readonly field?: string; readonly reason: string }

/** Two rows with one id contradict each other, and nobody can say which price holds: both go. */
function withoutTwins(rows: readonly { readonly row: ModelRow; readonly index: number }[], rejected: readonly RowProblem[]) {
  const counts = new Map<string, number>()
  for (const { row } of rows) counts.set(row.upstreamModel, (counts.get(row.upstreamModel) ?? 0) + 1)
  const isTwin = (row: ModelRow) => counts.get(row.upstreamModel) !== 1
  const twins = rows.filter(({ row }) => isTwin(row))
  return {
    rows: rows.filter(({ row }) => !isTwin(row)).map(({ row }) => row),
    rejected: [
      ...rejected,
      ...twins.map(({ row, index }): RowProblem => ({
        code: 'model_rejected',
        index,
        id: row.upstreamModel,
        field: 'id',
        reason: 'the id is listed more than once',
      })),
    ],
  }
}

function readRow(entry: unknown, options: ModelsDocumentOptions): RowRead {
  if (!isRecord(entry)) return { reason: 'the row is not an object' }
  const id = entry['id']
  if (typeof id !== 'string' || !isUpstreamModelId(id)) return { field: 'id', reason: `${shown(id)} is not a model id` }
  const contextLength = readTokens(entry['context_length'])
  if (contextLength === null) return { field: 'context_length', reason: `${shown(entry['context_length'])} is not a count of tokens` }
  const maxOutputTokens = readTokens(entry['max_output_length'])
  if (maxOutputTokens === null)
    return { field: 'max_output_length', reason: `${shown(entry['max_output_length'])} is not a count of tokens` }
  const isReady = entry['is_ready'] ?? undefined
  if (isReady !== undefined && typeof isReady !== 'boolean')
    return { field: 'is_ready', reason: `${shown(isReady)} is neither true nor false` }
  const priced = readPricing(entry['pricing'])
  if ('reason' in priced && (options.requirePricing || entry['pricing'] !== undefined)) return { field: 'pricing', reason: priced.reason }

  const ignored: FieldProblem[] = []
  const ignore = (field: string, reason: string) => void ignored.push({ field, reason })
  const row: ModelRow = {
    upstreamModel: id,
    name: readName(entry['name'], ignore),
    created: readCreated(entry['created'], ignore),
    pricing: 'pricing' in priced ? priced.pricing : undefined,
    contextLength,
    maxOutputTokens,
    inputModalities: readWords('input_modalities', entry, modalities, ignore),
    outputModalities: readWords('output_modalities', entry, modalities, ignore),
    quantization: readWord('quantization', entry, quantizations, ignore),
    features: readWords('supported_features', entry, features, ignore),
    samplingParameters: readWords('supported_sampling_parameters', entry, samplingParameters, ignore),
    isReady,
    deprecationDate: readDay(entry['deprecation_date'], ignore),
  }
  return { row, ignored }
}

type Ignore = (field: string, reason: string) => void

/** `null` stands for a value that is no count. */
function readTokens(value: unknown): number | undefined | null {
  if (value === undefined || value === null) return undefined
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_TOKENS ? value : null
}

/** A name is read by people and by models: it is kept as text, short and without control characters, and means nothing. */
function readName(value: unknown, ignore: Ignore): string | undefined {
  if (value === undefined || value === null) return undefined
  const name = typeof value === 'string' ? printable(value, MAX_NAME) : ''
  if (name !== '') return name
  ignore('name', `${shown(value)} is not a name`)
  return undefined
}

/** Unix seconds; milliseconds are somebody's mistake, but not one to lose a model over. */
function readCreated(value: unknown, ignore: Ignore): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SECONDS) return value
  ignore('created', `${shown(value)} is not a time in Unix seconds`)
  return undefined
}

function readWord<Word extends string>(
  field: string,
  row: Record<string, unknown>,
  words: readonly Word[],
  ignore: Ignore,
): Word | undefined {
  const value = row[field]
  if (value === undefined || value === null) return undefined
  const word = words.find((each) => each === value)
  if (word === undefined) ignore(field, `${shown(value)} is not one of ${words.join(', ')}`)
  return word
}

function readWords<Word extends string>(
  field: string,
  row: Record<string, unknown>,
  words: readonly Word[],
  ignore: Ignore,
): readonly Word[] | undefined {
  const value = row[field]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) {
    ignore(field, `${shown(value)} is not a list`)
    return undefined
  }
  const strange = value.find((each: unknown) => !words.some((word) => word === each))
  if (strange !== undefined) ignore(field, `${shown(strange)} is not one of ${words.join(', ')}`)
  return words.filter((word) => value.includes(word))
}

function readDay(value: unknown, ignore: Ignore): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && isDay(value)) return value
  ignore('deprecation_date', `${shown(value)} is not a day like "2027-01-31"`)
  return undefined
}

const priceFields = {
  prompt: 'prompt',
  completion: 'completion',
  cacheRead: 'input_cache_read',
  cacheWrite: 'input_cache_write',
  reasoning: 'internal_reasoning',
  image: 'image',
  request: 'request',
} as const satisfies Record<Exclude<keyof PriceTier, 'fromInputTokens'>, string>

function readPricing(value: unknown): { readonly pricing: Pricing } | { readonly reason: string } {
  if (value === undefined) return { reason: 'the prices are missing, and unknown is not free' }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length > MAX_TIERS) return { reason: `pricing has ${list.length} tiers; at most ${MAX_TIERS} are read` }
  const tiers: PriceTier[] = []
  for (const entry of list) {
    const tier = readTier(entry, tiers.at(-1))
    if ('reason' in tier) return tier
    tiers.push(tier)
  }
  const [base, ...later] = tiers
  return base === undefined ? { reason: 'pricing is an empty list' } : { pricing: { tiers: [base, ...later] } }
}

function readTier(entry: unknown, before: PriceTier | undefined): PriceTier | { readonly reason: string } {
  if (!isRecord(entry)) return { reason: `pricing ${shown(entry)} is not an object` }
  const from = readBound(entry['min_context'] ?? 0, before)
  if (typeof from === 'object') return from
  const prices: Partial<Record<keyof typeof priceFields, Usd>> = {}
  for (const [name, field] of Object.entries(priceFields) as [keyof typeof priceFields, string][]) {
    const price = readPrice(entry[field], field)
    if (typeof price === 'object') return price
    if (price !== undefined) prices[name] = price
  }
  if (prices.prompt === undefined || prices.completion === undefined) {
    return { reason: `the price of ${prices.prompt === undefined ? 'prompt' : 'completion'} is missing, and unknown is not free` }
  }
  const silent = { cacheRead: undefined, cacheWrite: undefined, reasoning: undefined, image: undefined, request: undefined }
  return { fromInputTokens: from, ...silent, ...prices, prompt: prices.prompt, completion: prices.completion }
}

function readBound(from: unknown, before: PriceTier | undefined): number | { readonly reason: string } {
  if (typeof from !== 'number' || !Number.isInteger(from) || from < 0 || from > MAX_TOKENS) {
    return { reason: `min_context ${shown(from)} is not a count of tokens` }
  }
  if (before === undefined && from !== 0) return { reason: 'the first tier is the base and cannot have a min_context' }
  if (before !== undefined && from <= before.fromInputTokens) return { reason: 'tiers are not in rising order of min_context' }
  return from
}

/** US dollars per unit. A JSON number is refused although it looks right: on its way it was a float. */
function readPrice(value: unknown, field: string): Usd | undefined | { readonly reason: string } {
  if (value === undefined) return undefined
  if (typeof value === 'number')
    return { reason: `the price of ${field} is a number; write it as text, like "0.000003", so that no digit is lost` }
  if (typeof value !== 'string' || !/^\d{1,6}(?:\.\d{1,18})?$/.test(value)) {
    return { reason: `the price of ${field}, ${shown(value)}, is not a plain decimal amount` }
  }
  return parseUsd(value)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value === undefined ? 'nothing' : value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object'
}
