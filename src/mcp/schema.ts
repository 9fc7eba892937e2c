/** Fields that several tools share, and the plain JSON Schema that clients are shown. */
import * as z from 'zod'
import { RouteplaneError } from '../errors.ts'
import { type Usd, parseUsd } from '../money.ts'
import type { ModelListing } from '../routeplane.ts'

type PaymentModeName = ModelListing['endpoints'][number]['provider']['payment']['modes'][number]

/** The ways to pay that a tool's caller may name. */
export const paymentModes = ['byok', 'x402', 'mpp', 'invoice'] as const satisfies readonly PaymentModeName[]

/**
 * A cap in US dollars. Shown as a string; a number is taken too, because models and command lines send numbers, and
 * read through its decimal text so that no float takes part in money.
 */
export const usdCap = z.union([z.string().max(60), z.number()])

/** One micro-dollar: smaller caps are slips of the keyboard, since nothing is settled in smaller units. */
const LEAST_CAP = parseUsd('0.000001')

/** @throws RouteplaneError `invalid_max_cost`; zero is a cap like any other and lets only free answers through. */
export function parseCap(value: z.output<typeof usdCap>): Usd {
  // Numbers below a micro-dollar print with an exponent, and so are refused like that text.
  const cap = readUsd(String(value))
  if (cap === undefined || (cap > 0n && cap < LEAST_CAP)) {
    throw new RouteplaneError('invalid_max_cost', 'max_cost_usd must be a plain decimal amount of US dollars', {
      hint: 'Write it like "0.05": no sign, no exponent, nothing between zero and 0.000001.',
    })
  }
  return cap
}

/** `undefined` when the text is not a plain decimal amount. */
export function readUsd(text: string): Usd | undefined {
  try {
    return parseUsd(text)
  } catch {
    return undefined
  }
}

type JsonSchema = Record<string, unknown>

/**
 * Writes a tool's schema in the subset that every client understands: an object root, no references, no unions.
 *
 * @param io - Which side of the schema: what callers may send, or what they will get.
 */
export function toJsonSchema(schema: z.ZodObject, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema, {
    io,
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === usdCap) {
        delete jsonSchema.anyOf
        jsonSchema.type = 'string'
      }
      // Bounds that only say "an integer of JavaScript" tell a caller nothing.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      delete jsonSchema.propertyNames
      // A later version may answer more, and an error answers something else.
      if (io === 'output' || typeof jsonSchema.additionalProperties === 'object') delete jsonSchema.additionalProperties
    },
  })
  return plain
}
