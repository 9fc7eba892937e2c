/** Rows that only a person can judge: they are listed, so that a reviewer sees what is left to him. */
import { row, type RowGroup } from './row.ts'

const left: readonly (readonly [id: string, title: string])[] = [
  ['docs.use_cases', 'names use cases, strengths and limits'],
  ['docs.examples', 'shows sample prompts and what they give'],
  ['docs.api', 'documents its endpoints, parameters and errors'],
  ['spec.languages', 'says which languages it serves'],
  ['auth.rotation', 'lets a key be exchanged'],
  ['quality.uptime', 'promises an uptime and has a status page'],
  ['quality.responses', 'publishes benchmarks, moderation and filtering'],
  ['process.terms', 'keeps the terms of use'],
]

export const people: RowGroup = {
  id: 'people',
  title: 'For a reviewer',
  run: async () => left.map(([id, title]) => row(id, title, ['not_checked', 'a person has to look'])),
}
