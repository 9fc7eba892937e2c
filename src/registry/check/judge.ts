/** How what came back is read by every group of rows. */
import type { Answered, Skipped } from './probe.ts'
import { verdictOf, type Judgement } from './row.ts'

/** Turns what came back into a judgement; what was not sent is not checked. */
export function judged(reply: Answered | Skipped, judge: (answer: Answered) => Judgement): Judgement {
  return reply.kind === 'skipped' ? ['not_checked', reply.reason] : judge(reply)
}

/** An answer with content, or what came instead. */
export function hasText(answer: Answered): Judgement {
  if (answer.result === undefined) return ['fail', failureOf(answer)]
  const text = textOf(answer)
  return verdictOf(
    text.trim() !== '',
    text.trim() === '' ? 'the answer has no text' : `${JSON.stringify(excerpt(text))} in ${answer.ms} ms`,
  )
}

/** What went wrong, short enough for a line. */
export function failureOf({ status, problem, text }: Answered): string {
  const body = excerpt(text)
  return [status === 0 ? undefined : `status ${status}`, problem, problem === undefined && body !== '' ? body : undefined]
    .filter(Boolean)
    .join(': ')
}

export function textOf({ result }: Answered): string {
  const content = result?.candidates[0]?.content ?? []
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('')
}

export function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 100 ? `${line.slice(0, 100)}…` : line
}
