/** The API versions and beta features of this wire, as headers name them. */
import { invalidRequest } from '../invalid-request.ts'

/** @see https://docs.anthropic.com/en/api/versioning */
export const apiVersions = ['2023-06-01', '2026-10-21'] as const
export type ApiVersion = (typeof apiVersions)[number]

/** What a caller speaks who says nothing, and what a translated request is written in: every server of this wire knows it. */
export const DEFAULT_VERSION: ApiVersion = '2023-06-01'

/** More features than the vendor has ever had open at once. */
const MAX_BETAS = 100

type Headers = Readonly<Record<string, string | undefined>>

/** @throws RouteplaneError `invalid_request` for a version that nobody has published. */
export function readVersion(headers: Headers): ApiVersion {
  const given = headers['anthropic-version']
  if (given === undefined || given.trim() === '') return DEFAULT_VERSION
  const known = apiVersions.find((version) => version === given.trim())
  if (known === undefined) throw invalidRequest('anthropic-version', `must be one of ${apiVersions.join(', ')}`)
  return known
}

/** Reads the names of beta features. @throws RouteplaneError `invalid_request` for a list that is no list of names. */
export function readBetas(headers: Headers): readonly string[] {
  const given = headers['anthropic-beta']
  if (given === undefined || given.trim() === '') return []
  const names = given.split(',').map((name) => name.trim())
  if (names.length > MAX_BETAS) throw invalidRequest('anthropic-beta', `must not list more than ${MAX_BETAS} features`)
  if (!names.every((name) => /^[A-Za-z0-9_.-]{1,100}$/.test(name)))
    throw invalidRequest('anthropic-beta', 'must be a list of names with commas between them')
  return names
}

/** Headers that the native lane hands on as they came: a field of the body and its header travel together. */
export function vendorHeaders(headers: Headers): Readonly<Record<string, string>> {
  const own = Object.entries(headers).flatMap(([name, value]) =>
    value !== undefined && /^anthropic-[a-z0-9-]{1,60}$/.test(name) ? [[name, value] as const] : [],
  )
  return { 'anthropic-version': DEFAULT_VERSION, ...Object.fromEntries(own) }
}
