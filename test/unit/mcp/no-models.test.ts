/** A server without a provider says so to who can do something about it, where a client looks first. */
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { OPERATOR } from '../../../src/mcp/audience.ts'
import { listModels } from '../../../src/mcp/list-models.ts'
import { createGateway } from '../../mcp/gateway.ts'

const list = (caller: typeof OPERATOR, filter: object = {}, models = createGateway().catalog.models()) => {
  const routeplane = { ...createGateway(), catalog: { models: () => models, model: () => undefined } }
  const call = { connection: { isForOneRequest: true }, signal: AbortSignal.timeout(5_000), addMeta: () => {} }
  return listModels.call(listModels.input.parse(filter), { routeplane, caller, clock: systemClock, log: silentLog, ...call })
}

it('says what to do when there is nothing to list, and not when nothing matches', async () => {
  expect(await list(OPERATOR, {}, [])).toEqual({ models: [], total: 0, hint: expect.stringContaining('OPENAI_API_KEY') as unknown })
  expect(await list({ id: 'key_1', isOperator: false, pays: false }, {}, [])).toEqual({ models: [], total: 0 })
  expect(await list(OPERATOR, { query: 'nothing like it' })).toEqual({ models: [], total: 0 })
})
