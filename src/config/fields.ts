/** The kinds of value a config is made of: strict blocks, switches, counts, amounts, addresses of hosts. */
import * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { Secret } from '../lib/log.ts'
import { parseUsd, type Usd } from '../money.ts'
import { nearest } from './nearest.ts'

/** Adds a problem with a code of ours to a zod check. */
export function complain(context: z.RefinementCtx, problem: string, message: string, path: (string | number)[] = []): void {
  context.addIssue({ code: 'custom', message, path, params: { problem } })
}

/** The keys of an `unrecognized_keys` issue, whose type names them only after narrowing zod does not do here. */
function keysOf(issue: object): string[] {
  return 'keys' in issue && Array.isArray(issue.keys) ? issue.keys.map(String) : []
}

/** A block that knows all its keys; a key written without a value counts as left out. */
export function block<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape)
  const strict = z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(keysOf(issue), known) : undefined),
  })
  return z.preprocess(dropNothing, strict)
}

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  const complaints = keys.map((key) => {
    const meant = nearest(key, known)
    return `unknown key ${JSON.stringify(key.slice(0, 60))}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`
  })
  const list = keys.some((key) => nearest(key, known) === undefined) ? `; known here: ${known.join(', ')}` : ''
  return complaints.join(', ') + list
}

function dropNothing(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null))
}

/** Text on one line that may be shown on a terminal. */
export function line(maxLength: number) {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), { message: 'may not contain line breaks or control characters' })
}

/** `true` or `false`, as YAML text or as a value. Not `yes`, `on` or `1`: YAML readers disagree on those. */
export const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')], {
  error: 'must be true or false',
})

/** A whole number in a range, as text or as a number. */
export function count(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,15}$/)
          .transform(Number),
      ],
      { error: message },
    )
    .refine((value) => Number.isSafeInteger(value) && value >= least && value <= most, { message })
}

/** A share or a weight: a plain decimal in a range. Never money. */
export function ratio(least: number, most: number) {
  const message = `must be a number from ${least} to ${most}`
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,9}(?:\.\d{1,9})?$/)
          .transform(Number),
      ],
      { error: message },
    )
    .refine((value) => Number.isFinite(value) && value >= least && value <= most, { message })
}

/**
 * US dollars. Text is best; a number is taken when it prints as the same plain decimal.
 * Anything else is `invalid_amount`: `five`, `1e9`, `-5`, `1,000`, more than 18 places.
 */
export const amount = z.union([z.string(), z.number()], { error: 'must be an amount such as "0.25"' }).transform((value, context): Usd => {
  const text = typeof value === 'number' ? String(value) : value
  try {
    return parseUsd(text)
  } catch (error) {
    if (!(error instanceof RouteplaneError)) throw error
  }
  complain(context, 'invalid_amount', `${JSON.stringify(text.slice(0, 40))} is not a plain decimal amount of US dollars such as "0.25"`)
  return z.NEVER
})

/** Caps over time, in US dollars; one that is left out is no limit. */
export const rollingCaps = {
  per_hour_usd: amount.optional(),
  per_day_usd: amount.optional(),
  per_month_usd: amount.optional(),
  total_usd: amount.optional(),
}

/** Who asks: `local`, or the id of a key. */
export const keyId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not the id of a key: letters, digits, "_" and "-"')

/** A text that will print as `[secret]` from here on. */
export const secret = z
  .string()
  .min(1)
  .max(8192)
  .transform((text) => new Secret(text))

/** The id of a provider, as the text before the colon in `model`. */
export const providerId = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9-]*$/, 'a provider id is lower-case letters, digits and "-", beginning with a letter')

/** The id of a model as an upstream or a canonical list spells it. */
export const modelId = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9@][A-Za-z0-9._:@+~-]*(?:\/[A-Za-z0-9@][A-Za-z0-9._:@+~-]*){0,4}$/, 'is not a model id such as "maker/name"')

/** A base URL: https, or http on loopback; no user name or password, query or fragment. Given without a trailing slash. */
export const baseUrl = z.string().transform((text, context): string => {
  const url = URL.canParse(text) && !/[\s\\]/.test(text) ? new URL(text) : undefined
  const fault = url === undefined ? { problem: 'invalid_url', message: 'is not a URL' } : urlFault(url)
  if (url === undefined || fault !== undefined) {
    complain(context, fault?.problem ?? 'invalid_url', fault?.message ?? 'is not a URL')
    return z.NEVER
  }
  return url.href.replace(/\/+$/, '')
})

function urlFault(url: URL): { readonly problem: string; readonly message: string } | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { problem: 'bad_scheme', message: `must begin with https://, not ${JSON.stringify(url.protocol)}` }
  }
  if (url.username !== '' || url.password !== '') {
    return { problem: 'credentials_in_url', message: 'may not carry a user name or password; use api_key or headers' }
  }
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    return {
      problem: 'insecure_api_base',
      message: `must be https: only loopback hosts are reached over http, and ${url.hostname} is not one`,
    }
  }
  if (url.search !== '' || url.hash !== '') return { problem: 'invalid_url', message: 'may not carry a query or a fragment' }
  return undefined
}

/** Tells whether a host name, as `URL` gives it, is this machine itself. Names other than `localhost` are never trusted to be. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
