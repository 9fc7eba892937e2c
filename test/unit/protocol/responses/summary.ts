/** What an answer comes to, in few words, for comparison with a fixture's expectation. */
import { foldAll } from '../../../../src/completion/fold.ts'
import type { CompletionPart } from '../../../../src/completion/part.ts'
import { isRecord } from '../../../../src/lib/json.ts'

/** Texts are joined by `|`; carriers are written `value@item`. What is absent is left out. */
export function summarise(parts: readonly CompletionPart[]): Readonly<Record<string, unknown>> {
  const last = parts.at(-1)
  if (last?.type === 'error') return { error: last.error.code }
  const { candidates, usage } = foldAll(parts)
  const content = candidates.flatMap((candidate) => candidate.content)
  const extras = candidates.flatMap((candidate) => candidate.extras)
  const thoughts = content.filter((part) => part.type === 'reasoning')
  return compact({
    text: content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('|'),
    thought: thoughts.flatMap(({ text }) => text).join('|'),
    refusal: content.flatMap((part) => (part.type === 'refusal' ? [part.text] : [])).join('|'),
    carriers: thoughts.flatMap(({ carriers }) => carriers.map(({ value, itemId }) => `${value}@${itemId}`)),
    calls: content.flatMap((part) => (part.type === 'tool-call' ? [[part.id, part.name, part.arguments.text]] : [])),
    citations: extras.flatMap((extra) => (extra.kind === 'citation' ? [extra.url] : [])),
    images: extras.flatMap((extra) => (extra.kind === 'image' ? [`${extra.mimeType}:${extra.base64}`] : [])),
    foreign: extras.flatMap((extra) => (extra.kind === 'foreign' && isRecord(extra.raw) ? [extra.raw['type']] : [])),
    logprobs: extras.filter(({ kind }) => kind === 'logprobs').length,
    finish: candidates.map(({ finish }) => finish.reason).join(),
    usage: usage === undefined ? '' : compact({ ...usage, raw: '', origin: '' }),
  })
}

function compact(members: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === '' || value === 0 || (Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries(members).filter(([, value]) => !isEmpty(value)))
}
