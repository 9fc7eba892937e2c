/** Reports what an encoded request leaves out, field by field. */
import type { CompletionRequest } from '../../completion/request.ts'
import { lossTable, unsupported, type Loss, type LossFeature } from '../loss.ts'

const nowhere = 'it has no place on Responses'

/** What of a neutral request has no field on this wire, and the field's usual name, which is also its feature's. */
export function lossesOfSampling({ sampling, candidates, outputModalities }: CompletionRequest): readonly Loss[] {
  const given: readonly (readonly [string, LossFeature, unknown])[] = [
    ['top_k', 'top_k', sampling.topK],
    ['min_p', 'min_p', sampling.minP],
    ['top_a', 'top_a', sampling.topA],
    ['repetition_penalty', 'repetition_penalty', sampling.repetitionPenalty],
    ['frequency_penalty', 'frequency_penalty', sampling.frequencyPenalty],
    ['presence_penalty', 'presence_penalty', sampling.presencePenalty],
    ['seed', 'seed', sampling.seed],
    ['logit_bias', 'logit_bias', sampling.logitBias],
    ['n', 'candidates', candidates > 1 ? candidates : undefined],
    ['modalities', 'output_modalities', outputModalities.some((modality) => modality !== 'text') ? outputModalities : undefined],
  ]
  return given.filter(([, , value]) => value !== undefined).map(([path, feature]) => unsupported(path, feature, nowhere))
}

/** Fields nobody has modelled are left out; one that stands for a feature is treated as that feature. */
export function lossesOfUnknown({ unknown }: CompletionRequest): readonly Loss[] {
  return unknown.map(({ path }) => unsupported(path, featureOf(path), nowhere))
}

/** Ids of another provider's store mean nothing to this one. */
export function lossesOfState({ state }: CompletionRequest): readonly Loss[] {
  return Object.keys(state).map((name) => unsupported(name, 'state', 'only the provider that issued it knows what it stands for'))
}

/** Names the feature that a field stands for. */
export function featureOf(path: string): LossFeature {
  const name = path.split('.').at(-1) ?? ''
  return Object.hasOwn(lossTable, name) ? (name as LossFeature) : 'unknown_field'
}
