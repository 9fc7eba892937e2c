/** What media and framing may count for in tokens, for bounds on a request's cost. */

/**
 * Most tokens one image may take. By the vendors' own formulas: 32-pixel patches of an "original" image up to 10,000, tiles
 * up to 1,445, fixed grids up to 4,784. The one family that multiplies its image tokens beyond this divides its price per
 * token by as much, so that the bound holds in money.
 */
export const IMAGE_TOKENS = 16_384

/** Most tokens a low-detail image may take; the multiplying family's figure. */
export const LOW_DETAIL_IMAGE_TOKENS = 3_072

/** Most tokens of a file or video that only its id or URL stands for: as much as a large context takes. */
export const UNSEEN_FILE_TOKENS = 262_144

/** Inline audio and documents: one token for each character of base64 is far above every vendor's rate. */
export const TOKENS_PER_MEDIA_CHARACTER = 1

/** Roles, separators and priming that a template puts around each message. */
export const MESSAGE_TOKENS = 16

/** Once a request: begin and end marks, and the instructions vendors prepend when tools are offered. */
export const REQUEST_TOKENS = 64
export const TOOLS_TOKENS = 1_024

/** Bytes to a token in ordinary text, for guesses that only rank. */
export const TYPICAL_BYTES_PER_TOKEN = 4
/** A typical image, for guesses that only rank. */
export const TYPICAL_IMAGE_TOKENS = 1_000
