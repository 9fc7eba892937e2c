/** Reports the sampling fields that this wire has no place for. */
import type { CompletionRequest } from '../../completion/request.ts'
import { unsupported, type Loss, type LossFeature } from '../loss.ts'

/** How every field is reported that this wire does not have. */
export const NO_PLACE = 'it has no place on Responses'

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
  return given.filter(([, , value]) => value !== undefined).map(([path, feature]) => unsupported(path, feature, NO_PLACE))
}
