/** Whether an answer can be given to callers of every other wire: what the gateway does behind the format of the provider. */
import { toRouteplaneError } from '../../errors.ts'
import { failureOf } from './judge.ts'
import type { Answered } from './probe.ts'
import { requestOf } from './question.ts'
import type { Judgement } from './row.ts'
import type { Subject } from './subject.ts'

/** Encodes the answer for each wire of this build. */
export function checkTranslation(answer: Answered, { allProtocols, endpoint, clock }: Subject): Judgement {
  const { result } = answer
  if (result === undefined) return ['fail', failureOf(answer)]
  const context = {
    requestId: 'req_check',
    model: endpoint.modelId,
    nowSeconds: Math.floor(clock.now() / 1000),
    request: requestOf({}, endpoint.modelId, false),
  }
  const failures = allProtocols.flatMap(({ id, caller }) => {
    try {
      caller.encodeResult(result, context)
      return []
    } catch (thrown) {
      return [`${id}: ${toRouteplaneError(thrown).message}`]
    }
  })
  return failures.length === 0 ? ['pass', allProtocols.map(({ id }) => id).join(', ')] : ['fail', failures.join('; ')]
}
