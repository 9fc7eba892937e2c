/** Judges an answer's text by the caller's own schema when a weaker one had to be sent. */
import type { CompletionPart, Finish, PartStream } from '../completion/part.ts'
import type { JsonSchema } from '../completion/request.ts'

/**
 * How one candidate's text stands to the schema. `unjudged` is neither: the answer was cut short, or the schema is too
 * large or too costly to judge by; it must not be reported as a violation, nor as obedience.
 */
export type SchemaVerdict = {
  readonly candidate: number
  readonly outcome: 'satisfied' | 'violated' | 'unjudged'
  /** Names places of the schema and the answer, never the answer's content. */
  readonly reason?: string
}

/** A longer text is not an answer to a schema, and is not kept to be judged. */
export const MAX_JUDGED_CHARACTERS = 1_000_000

type Collected = { pieces: string[]; length: number }

/** Passes parts on, and calls `onSchema` for each candidate that has text before its `finish` is delivered. */
export async function* watchSchema(
  stream: PartStream,
  schema: JsonSchema,
  onSchema: (verdict: SchemaVerdict) => void,
): AsyncGenerator<readonly CompletionPart[]> {
  const candidateOf = new Map<number, number>()
  const texts = new Map<number, Collected>()
  for await (const parts of stream) {
    for (const part of parts) {
      if (part.type === 'text-start') candidateOf.set(part.block, part.candidate)
      if (part.type === 'text-delta') collect(texts, candidateOf.get(part.block), part.text)
    }
    const end = parts.find((part) => part.type === 'finish')
    for (const finish of end?.finishes ?? []) {
      const verdict = await verdictOf(schema, finish, texts.get(finish.candidate))
      if (verdict !== undefined) onSchema({ candidate: finish.candidate, ...verdict })
    }
    yield parts
  }
}

function collect(texts: Map<number, Collected>, candidate: number | undefined, text: string): void {
  if (candidate === undefined) return
  const collected = texts.get(candidate) ?? { pieces: [], length: 0 }
  texts.set(candidate, collected)
  collected.length += text.length
  if (collected.length <= MAX_JUDGED_CHARACTERS) collected.pieces.push(text)
  else collected.pieces = []
}

async function verdictOf(
  schema: JsonSchema,
  { reason }: Finish,
  collected: Collected | undefined,
): Promise<Omit<SchemaVerdict, 'candidate'> | undefined> {
  // A turn that ends in calls or in a refusal is not the answer the schema speaks of.
  if (reason === 'tool_calls' || reason === 'refusal' || collected === undefined) return undefined
  if (reason !== 'stop' && reason !== 'stop_sequence' && reason !== 'other') {
    return { outcome: 'unjudged', reason: `the answer ended early: ${reason}` }
  }
  if (collected.length > MAX_JUDGED_CHARACTERS) return { outcome: 'unjudged', reason: 'the answer is too long to judge' }
  // Loaded at first need: the validator is the heaviest thing a translation can touch.
  const { judgeText } = await import('./schema-validation.ts')
  return judgeText(schema, collected.pieces.join(''))
}
