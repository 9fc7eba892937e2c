/** Puts a function call together whose arguments come in pieces, addressed by path. */
import { isRecord } from '../../lib/json.ts'

type Json = Readonly<Record<string, unknown>>

/** A call under way: what it is, and its arguments so far. */
export type PartialCall = {
  readonly id: string
  readonly name: string
  args: Record<string, unknown>
  /** Paths whose text goes on in a later piece. */
  readonly open: Set<string>
  /** Arguments that are no object, as they were written. */
  written: string | undefined
  signature: string | undefined
}

/** Far beyond real arguments: a number above is an attack on whoever keeps an array. */
const MAX_INDEX = 9_999
const MAX_STEPS = 64

/**
 * Adds one piece.
 *
 * @returns `false` for a piece that fits nowhere.
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content#PartialArg
 */
export function addPartialArgument(call: PartialCall, piece: Json): boolean {
  const path = piece['jsonPath']
  const steps = typeof path === 'string' ? readSteps(path) : undefined
  const value = valueOf(piece)
  if (typeof path !== 'string' || steps === undefined || value === undefined) return false
  const isText = typeof value === 'string'
  const runsOn = isText && call.open.has(path)
  if (isText && piece['willContinue'] === true) call.open.add(path)
  else call.open.delete(path)
  return setAt(call.args, steps, (before) => (runsOn && typeof before === 'string' ? before + value : value))
}

function valueOf(piece: Json): unknown {
  if ('nullValue' in piece) return null
  return piece['stringValue'] ?? piece['numberValue'] ?? piece['boolValue']
}

/** Reads `$.a.b[0]['c d']`; `undefined` for any other path. */
function readSteps(path: string): readonly (string | number)[] | undefined {
  if (!path.startsWith('$')) return undefined
  const steps: (string | number)[] = []
  const step = /\.([^.[\]]+)|\[(\d{1,5})\]|\[(['"])(.*?)\3\]/gy
  step.lastIndex = 1
  while (step.lastIndex < path.length) {
    const [, name, index, , quoted] = step.exec(path) ?? []
    if (index !== undefined && Number(index) > MAX_INDEX) return undefined
    const found = index === undefined ? (name ?? quoted) : Number(index)
    if (found === undefined || found === '__proto__' || steps.length >= MAX_STEPS) return undefined
    steps.push(found)
  }
  return steps.length === 0 ? undefined : steps
}

type Holder = Record<string | number, unknown>

function setAt(root: Record<string, unknown>, steps: readonly (string | number)[], update: (before: unknown) => unknown): boolean {
  let holder: Holder = root
  for (const [at, step] of steps.entries()) {
    // A list grows at its end; a number beyond it would leave holes.
    if (Array.isArray(holder) ? typeof step !== 'number' || step > holder.length : typeof step === 'number') return false
    if (at === steps.length - 1) {
      holder[step] = update(Object.hasOwn(holder, step) ? holder[step] : undefined)
      return true
    }
    const next: unknown = Object.hasOwn(holder, step) ? holder[step] : undefined
    if (next === undefined) holder[step] = typeof steps[at + 1] === 'number' ? [] : {}
    else if (!isRecord(next) && !Array.isArray(next)) return false
    holder = holder[step] as Holder
  }
  return false
}
