/** What the config lets a preset say can be said over MCP too, and comes out the same. */
import { expect, it } from 'vitest'
import { createEnvironment } from '../../../src/config/environment.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { OPERATOR } from '../../../src/mcp/audience.ts'
import { presetResource } from '../../../src/mcp/presets-resource.ts'
import { setPreset } from '../../../src/mcp/set-preset.ts'
import { createGateway } from '../../mcp/gateway.ts'
import { fullPreset } from '../../support/full-preset.ts'

it('is the same preset', async () => {
  const text = JSON.stringify({ presets: { full: fullPreset } })
  const [written] = parseConfig(text, { file: '/etc/rp/routeplane.yaml', environment: createEnvironment({}, '/', '/') }).presets
  const routeplane = createGateway()
  const { payment, ...same } = fullPreset
  const input = { name: 'full', ...same, payment: payment.prefer }
  const call = { connection: { isForOneRequest: false }, signal: AbortSignal.timeout(5_000), addMeta: () => {} }
  const context = { routeplane, caller: OPERATOR, clock: systemClock, log: silentLog, ...call }
  await setPreset.call(setPreset.input.parse(input), context)
  expect(routeplane.presets.get('full')).toEqual(written)
  expect(await presetResource.read('full', context)).toEqual(input)
})
