/** The shared vocabulary of models: `canonical.yaml`, and which canonical model a provider's own id stands for. */
import * as z from 'zod'
import { modalities, type Modality } from '../completion/features.ts'
import { isCanonicalModelId, isUpstreamModelId } from './model-id.ts'
import { pricingPerMillion } from './pricing-block.ts'
import type { Pricing } from './pricing.ts'
import { complain, manifestInvalid, problemsOfIssues, type Locate } from './problem.ts'
import { block, count, day, flag, line, listOrOne, oneOf, quoted } from './scalar.ts'
import { readRegistryYaml } from './yaml.ts'

export type CanonicalModel = {
  readonly id: string
  readonly name: string
  readonly description?: string | undefined
  readonly inputModalities: readonly Modality[]
  readonly outputModalities: readonly Modality[]
  readonly maxInputTokens?: number | undefined
  readonly maxOutputTokens?: number | undefined
  readonly releaseDate?: string | undefined
  readonly knowledgeCutoff?: string | undefined
  readonly family?: string | undefined
  /** `undefined` when nobody says: then the model is never sold as an open one. */
  readonly openWeights?: boolean | undefined
  readonly officialPricing?: Pricing | undefined
  /** Other ids that mean this model. */
  readonly aliases: readonly string[]
}

/** Canonical models by id and by alias; immutable. */
export type CanonicalIndex = {
  readonly models: ReadonlyMap<string, CanonicalModel>
  /** Alias to canonical id. */
  readonly aliases: ReadonlyMap<string, string>
}

/** A vocabulary grows with every model ever listed, so it may be larger than a manifest. */
export const MAX_CANONICAL_BYTES = 4 * 1024 * 1024
const MAX_CANONICAL_MODELS = 20_000

/** A month or a year will do: makers rarely say the day. */
const cutoff = z.string().refine((text) => /^\d{4}(?:-\d{2}){0,2}$/.test(text), {
  message: 'is not a date like "2026-03"',
  params: { code: 'invalid_date' },
})

const canonicalId = z.string().superRefine((id, context) => {
  if (!isCanonicalModelId(id)) complain(context, 'invalid_id', `${quoted(id)} is not a canonical id: "maker/name" in lower case`)
})

const alias = z.string().superRefine((id, context) => {
  if (!isUpstreamModelId(id)) complain(context, 'invalid_id', `${quoted(id)} is not a model id`)
})

const canonicalRow = block({
  id: canonicalId,
  name: line(200, 'invalid_name'),
  description: line(2000).optional(),
  input_modalities: listOrOne(oneOf(modalities), modalities.length),
  output_modalities: listOrOne(oneOf(modalities), modalities.length),
  max_input_tokens: count(1, 1_000_000_000).optional(),
  max_output_tokens: count(1, 1_000_000_000).optional(),
  release_date: day.optional(),
  knowledge_cutoff: cutoff.optional(),
  family: line(64).optional(),
  open_weights: flag.optional(),
  official_pricing: pricingPerMillion.optional(),
  aliases: z.array(alias).max(64).default([]),
}).transform((row): CanonicalModel => ({
  id: row.id,
  name: row.name,
  description: row.description,
  inputModalities: row.input_modalities,
  outputModalities: row.output_modalities,
  maxInputTokens: row.max_input_tokens,
  maxOutputTokens: row.max_output_tokens,
  releaseDate: row.release_date,
  knowledgeCutoff: row.knowledge_cutoff,
  family: row.family,
  openWeights: row.open_weights,
  officialPricing: row.official_pricing,
  aliases: row.aliases,
}))

const canonicalFile = block({ models: z.array(canonicalRow).max(MAX_CANONICAL_MODELS) }).superRefine(({ models }, context) => {
  const owners = new Set<string>()
  models.forEach((model, index) => {
    for (const name of [model.id, ...model.aliases]) {
      if (owners.has(name)) complain(context, 'duplicate_id', `${quoted(name)} already stands for a model`, ['models', index])
      owners.add(name)
    }
  })
})

/** @throws RouteplaneError `manifest_invalid` with every problem and its place. */
export function parseCanonical(text: string, file = 'canonical.yaml'): CanonicalIndex {
  const yaml = readRegistryYaml(text, { maxBytes: MAX_CANONICAL_BYTES, file })
  return readCanonical(yaml.value, file, yaml.locate)
}

/** Reads a vocabulary that is already taken apart, every scalar still text. @throws RouteplaneError `manifest_invalid`. */
export function readCanonical(value: unknown, file: string, locate: Locate = () => undefined): CanonicalIndex {
  const parsed = canonicalFile.safeParse(value)
  if (!parsed.success) throw manifestInvalid(problemsOfIssues(parsed.error, locate), file)
  return createCanonicalIndex(parsed.data.models)
}

/** Where an alias is claimed twice the first claim stands; {@link parseCanonical} refuses such a file. */
export function createCanonicalIndex(models: readonly CanonicalModel[]): CanonicalIndex {
  const byId = new Map(models.map((model) => [model.id, model]))
  const aliases = new Map<string, string>()
  for (const model of models) {
    for (const name of model.aliases) if (!byId.has(name) && !aliases.has(name)) aliases.set(name, model.id)
  }
  return { models: byId, aliases }
}

/**
 * Gives the canonical id of a provider's model: the one its row names, else the one whose id or alias equals the provider's
 * own id, else that own id, which then is a model by itself.
 */
export function canonicalIdOf(
  index: CanonicalIndex,
  row: { readonly upstreamModel: string; readonly canonicalId?: string | undefined },
): string {
  const id = row.canonicalId ?? row.upstreamModel
  return index.aliases.get(id) ?? id
}
