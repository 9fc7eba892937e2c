/** The features, sampling parameters and modalities a request needs, in the registry's own vocabulary. */

/** `supported_features` of a models document. */
export const features = ['tools', 'json_mode', 'structured_outputs', 'logprobs', 'web_search', 'reasoning'] as const
export type Feature = (typeof features)[number]

/** `supported_sampling_parameters` of a models document. */
export const samplingParameters = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'top_a',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'stop',
  'seed',
  'max_tokens',
  'logit_bias',
] as const
export type SamplingParameter = (typeof samplingParameters)[number]

export const modalities = ['text', 'image', 'audio', 'video', 'file'] as const
export type Modality = (typeof modalities)[number]

/** What routing and pricing must know of a request before anything is sent; cheap to read off any wire. */
export type Needs = {
  readonly features: readonly Feature[]
  readonly samplingParameters: readonly SamplingParameter[]
  readonly inputModalities: readonly Modality[]
  readonly outputModalities: readonly Modality[]
  /** An upper bound on input tokens counted from the bytes of the request: never below the real count. */
  readonly maxInputTokens: number
  /** Our best guess of input tokens, for ranking only. */
  readonly expectedInputTokens: number
  /** The caller's own output limit; absent when he set none. */
  readonly maxOutputTokens?: number
  readonly images: number
  readonly candidates: number
  readonly stream: boolean
}
