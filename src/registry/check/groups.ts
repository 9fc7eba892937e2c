/** The tuple of groups, in the order of the report: what is stated, what is answered, what it costs, what is left to people. */
import { answerFeatures } from './features.ts'
import { challenge } from './challenge.ts'
import { document } from './document.ts'
import { edgeCases } from './edge-cases.ts'
import { formats } from './formats.ts'
import { listing } from './listing.ts'
import { load } from './load.ts'
import { paidCall } from './paid-call.ts'
import { parameters } from './parameters.ts'
import { people } from './people.ts'
import { realPrice } from './real-price.ts'
import { refusals } from './refusals.ts'
import type { RowGroup } from './row.ts'
import { streaming } from './streaming.ts'

/** Prices come after every call that could be priced. */
export const rowGroups = [
  listing,
  document,
  formats,
  parameters,
  answerFeatures,
  streaming,
  refusals,
  edgeCases,
  load,
  realPrice,
  challenge,
  paidCall,
  people,
] as const satisfies readonly RowGroup[]
