/** Whether the gateway runs where the config says, or could. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { addressOf } from '../reload.ts'
import { inTime, type Check } from './check.ts'

export const gateway: Check = {
  name: 'gateway',
  async look(examined) {
    const url = addressOf(examined.config)
    const text = await inTime(healthOf(url, examined.signal), examined).catch(() => '')
    if (text === undefined) return [{ state: 'ok', message: `does not run at ${url}; "routeplane serve" starts it` }]
    const said = tryParseJson(text)
    if (isRecord(said) && said['status'] === 'ok' && typeof said['version'] === 'string')
      return [{ state: 'ok', message: `runs at ${url}, version ${said['version']}` }]
    const hint = 'Set listen.port in the config to a free one.'
    return [{ state: 'failed', message: `something else listens at ${url}`, hint }]
  },
}

/** @returns `undefined` when nobody takes the connection. */
async function healthOf(url: string, signal: AbortSignal): Promise<string | undefined> {
  const response = await fetch(`${url}/health`, { redirect: 'error', signal }).catch(() => undefined)
  return response?.text()
}
