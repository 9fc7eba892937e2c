/** Ranked endpoints and their payment modes become an ordered, bounded list of attempts. */
import type { Candidate } from '../selection/axis.ts'
import type { PaymentModeName } from '../registry/endpoint.ts'

export type Attempt = { readonly candidate: Candidate; readonly mode: PaymentModeName }

/** Why an endpoint cannot serve this request; shown by `routeplane route --explain` and in the error body. */
export type Refusal = {
  readonly endpoint: string
  readonly model: string
  readonly reason: RefusalReason
  readonly detail: string
}

export type RefusalReason =
  | 'not_active'
  | 'not_ready'
  | 'deprecated'
  | 'excluded'
  | 'feature'
  | 'modality'
  | 'parameter'
  | 'context'
  | 'output_limit'
  | 'translation'
  | 'rate_limited'
  | 'cooling_down'
  | 'payment'
  | 'price_unknown'
  | 'price_above_cap'
  | 'max_price'
  | 'quantization'
