/** The fields that both of OpenAI's wires carry for the vendor alone. */

/** Members that change billing, caching or bookkeeping at the vendor but not the answer. */
export const bookkeepingFields = [
  'store',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'safety_identifier',
  'user',
  'stream_options',
] as const
