/** Validates values against JSON Schema 2020-12 within bounds of size, depth and time. */
import { createHash } from 'node:crypto'
import { createContext, Script } from 'node:vm'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { JsonSchema } from '../completion/request.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'

/** A schema beyond this is not compiled; no tool or output format seen comes near. */
export const MAX_SCHEMA_CHARACTERS = 256_000

/** Levels of nesting; the parser of requests stops there too. */
export const MAX_SCHEMA_DEPTH = 64

/** Milliseconds for one judgement, compiling included: a caller's own pattern may take for ever on one string. */
const JUDGEMENT_MS = 250

const MAX_STARTS = 4

/** Below this share of its time a judgement has waited for others more than it has worked. */
const OWN_SHARE = 0.8

/** Schemas come back turn after turn; the least recently used goes first. */
const MAX_COMPILED = 64

/** What came of a judgement: `unjudged` when the schema is outside the bounds or is no schema. */
export type Judgement = { readonly outcome: 'satisfied' | 'violated' | 'unjudged'; readonly reason?: string }

const compiled = new Map<string, ValidateFunction>()

const guard = new Script('run()')

/**
 * Validates a value.
 *
 * @returns what is wrong with the value, or `undefined` when nothing was found. A schema that cannot be judged finds
 *   nothing: ask {@link judgeValue} where that difference matters.
 */
export function validateAgainst(schema: JsonSchema, value: unknown): string | undefined {
  const judgement = judgeValue(schema, value)
  return judgement.outcome === 'violated' ? (judgement.reason ?? 'the value does not fit the schema') : undefined
}

/** Judges the text of an answer: it must be JSON, and fit the schema. */
export function judgeText(schema: JsonSchema, text: string): Judgement {
  const value = tryParseJson(text)
  return value === undefined ? { outcome: 'violated', reason: 'the answer is not JSON' } : judgeValue(schema, value)
}

/**
 * Judges a value. Formats are not asserted (as in 2020-12 by default), references out of the schema are never fetched.
 *
 * Everything that the caller's schema can make expensive runs under a time limit which ends it wherever it is.
 */
export function judgeValue(schema: JsonSchema, value: unknown): Judgement {
  if (typeof schema === 'boolean')
    return schema ? { outcome: 'satisfied' } : { outcome: 'violated', reason: 'nothing fits the schema false' }
  const text = schemaText(schema)
  if (text === undefined) return { outcome: 'unjudged', reason: 'the schema is too large to judge by' }
  // Ajv skips this name wherever it is declared, and would then call it an additional property.
  if (text.includes('"__proto__"')) return { outcome: 'unjudged', reason: 'the schema cannot be judged by' }
  try {
    return withinTime(() => validate(schema, text, value))
  } catch {
    // A schema that does not compile, recursion without end, or the time limit: all say nothing about the value.
    return { outcome: 'unjudged', reason: 'the schema cannot be judged by' }
  }
}

function validate(schema: Readonly<Record<string, unknown>>, text: string, value: unknown): Judgement {
  const check = compile(schema, text)
  if (check(value)) return { outcome: 'satisfied' }
  const [error] = check.errors ?? []
  // Pointers and keywords only: the answer belongs to the caller, and reasons reach logs.
  return {
    outcome: 'violated',
    reason: `${error?.instancePath || 'the answer'} ${error?.message ?? 'does not fit'} (${error?.schemaPath})`.slice(0, 300),
  }
}

/** A fresh validator for each schema, so that ids of one never meet those of another and a failure leaves nothing behind. */
function compile(schema: Readonly<Record<string, unknown>>, text: string): ValidateFunction {
  const key = createHash('sha256').update(text).digest('base64')
  const found = compiled.get(key)
  if (found !== undefined) {
    compiled.delete(key)
    compiled.set(key, found)
    return found
  }
  const ajv = new Ajv2020({ strict: false, validateSchema: false, validateFormats: false, ownProperties: true, meta: false, logger: false })
  // Ajv's own keyword, which would make the judgement a promise.
  const { $async: _, ...plain } = schema
  const check = ajv.compile(plain)
  compiled.set(key, check)
  for (const oldest of compiled.keys()) {
    if (compiled.size <= MAX_COMPILED) break
    compiled.delete(oldest)
  }
  return check
}

/**
 * The only way to end a regular expression that has begun is to end the script around it. The script's clock is the wall's:
 * one that was ended before it had worked for its time, because others had the processor, may begin anew.
 */
function withinTime<T>(run: () => T, starts = MAX_STARTS): T {
  const results: T[] = []
  const before = process.cpuUsage()
  try {
    guard.runInContext(createContext({ run: () => void results.push(run()) }), { timeout: JUDGEMENT_MS })
  } catch (error) {
    const { user, system } = process.cpuUsage(before)
    const isLate = error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    if (isLate && starts > 1 && (user + system) / 1000 < JUDGEMENT_MS * OWN_SHARE) return withinTime(run, starts - 1)
    throw error
  }
  const [result] = results
  if (result === undefined) throw new Error('the script did not run')
  return result
}

/** The schema's JSON when it is within bounds. */
function schemaText(schema: Readonly<Record<string, unknown>>): string | undefined {
  if (isDeeperThan(schema, MAX_SCHEMA_DEPTH)) return undefined
  const text = JSON.stringify(schema)
  return text.length > MAX_SCHEMA_CHARACTERS ? undefined : text
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (!Array.isArray(value) && !isRecord(value)) return false
  return levels === 0 || Object.values(value).some((each) => isDeeperThan(each, levels - 1))
}
