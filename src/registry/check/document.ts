/** Rows about the models document: whether it can be read, and whether it says what the manifest says. */
import type { PriceTier } from '../pricing.ts'
import { row, verdictOf, type Judgement, type Row, type RowGroup } from './row.ts'
import type { FetchedDocument } from './fetch-document.ts'
import type { ModelRow } from '../model-row.ts'
import type { Subject } from './subject.ts'

export const document: RowGroup = {
  id: 'document',
  title: 'Models document',
  run: async (subject) => (subject.document === undefined ? withoutDocument : rowsOf(subject, subject.document)),
}

const titles = {
  fetched: 'serves its models document',
  rows: 'has only models that can be read',
  fields: 'has only fields of the vocabulary',
  listed: 'lists the model that is checked',
  price: 'states the prices of the manifest',
} as const

const withoutDocument: readonly Row[] = Object.entries(titles).map(([id, title]) =>
  row(`document.${id}`, title, ['not_applicable', 'no models_url is given']),
)

function rowsOf({ endpoint, definition, listed }: Subject, { url, status, document, problem }: FetchedDocument): readonly Row[] {
  const fetched: Judgement = verdictOf(
    document !== undefined,
    problem ?? `status ${status ?? 0}, ${document?.rows.length ?? 0} models at ${url}`,
  )
  if (document === undefined) {
    return Object.entries(titles).map(([id, title]) =>
      row(`document.${id}`, title, id === 'fetched' ? fetched : ['not_checked', 'there is no document']),
    )
  }
  const [rejected] = document.rejected
  const [ignored] = document.ignored
  const own = document.rows.find(({ upstreamModel }) => upstreamModel === endpoint.upstreamModel)
  const drifts = document.rows.flatMap((fresh) => differences(fresh, definition.models))
  return [
    row('document.fetched', titles.fetched, fetched),
    row(
      'document.rows',
      titles.rows,
      verdictOf(
        rejected === undefined,
        rejected === undefined
          ? `${document.rows.length} models`
          : `${document.rejected.length} left out: ${rejected.id ?? `row ${rejected.index}`}: ${rejected.reason}`,
      ),
    ),
    row(
      'document.fields',
      titles.fields,
      verdictOf(
        ignored === undefined,
        ignored === undefined
          ? 'every field is known'
          : `${document.ignored.length} ignored: ${ignored.id ?? `row ${ignored.index}`}: ${ignored.field ?? ''}: ${ignored.reason}`,
      ),
    ),
    row(
      'document.listed',
      titles.listed,
      verdictOf(own !== undefined, `${endpoint.upstreamModel}${own?.isReady === false ? ', staged (is_ready false)' : ''}`),
    ),
    row(
      'document.price',
      titles.price,
      listed?.pricing === undefined
        ? ['not_applicable', 'the manifest states no price']
        : verdictOf(drifts.length === 0, drifts.length === 0 ? 'the same' : drifts.join('; ')),
    ),
  ]
}

/** Only what both state can differ: a document may say more than a manifest. */
function differences(fresh: ModelRow, models: readonly ModelRow[]): readonly string[] {
  const listed = models.find(({ upstreamModel }) => upstreamModel === fresh.upstreamModel)?.pricing?.tiers ?? []
  return listed.flatMap((tier, at) => {
    const now = fresh.pricing?.tiers[at]
    const names = Object.keys(tier) as (keyof PriceTier)[]
    const other = names.filter((name) => tier[name] !== undefined && now?.[name] !== undefined && tier[name] !== now[name])
    return other.length === 0 ? [] : [`${fresh.upstreamModel}: another ${other.join(', ')}`]
  })
}
