/** The shapes of ids: of providers, of models as providers name them, and of canonical models. */

const SEGMENT = '[A-Za-z0-9][A-Za-z0-9._:@+-]*'
const UPSTREAM_MODEL = new RegExp(`^${SEGMENT}(?:/${SEGMENT}){0,3}$`)
const CANONICAL_MODEL = /^[a-z0-9][a-z0-9._-]*\/[a-z0-9][a-z0-9._:-]*$/
const PROVIDER = /^[a-z][a-z0-9-]*$/
const MAX_MODEL_ID = 200
const MAX_PROVIDER_ID = 64

/** Names that some file systems keep for devices, so that `providers/<id>.yaml` can exist everywhere. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/

/** An id as a provider's API takes it: up to four parts of ASCII, no part beginning with a dot, so no path can be climbed. */
export function isUpstreamModelId(id: string): boolean {
  return id.length <= MAX_MODEL_ID && UPSTREAM_MODEL.test(id)
}

/** `maker/name`, lower case. */
export function isCanonicalModelId(id: string): boolean {
  return id.length <= MAX_MODEL_ID && CANONICAL_MODEL.test(id)
}

/** Says what is wrong with a provider's id; `undefined` when nothing is. */
export function providerIdProblem(id: string): string | undefined {
  if (id.length > MAX_PROVIDER_ID) return `is ${id.length} characters long; at most ${MAX_PROVIDER_ID} are allowed`
  if (!PROVIDER.test(id)) return 'must begin with a letter and hold only lower-case ASCII letters, digits and "-"'
  if (DEVICE_NAME.test(id)) return 'is a device name on Windows and cannot be a file name there'
  return undefined
}
