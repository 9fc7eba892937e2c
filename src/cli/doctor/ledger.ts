/** Whether payments can be written down, and whether some of them have been left open. */
import { counted } from '../output.ts'
import type { Check } from './check.ts'

export const ledger: Check = {
  name: 'ledger',
  // That the engine is open says that its ledger can be written.
  async look({ config, routeplane }) {
    const { openAttempts } = await routeplane.status({ isOffline: true })
    if (openAttempts === 0) return [{ state: 'ok', message: `${config.ledger.path}, no payment is open` }]
    const message = `${config.ledger.path}, ${counted(openAttempts, 'payment')} of which the outcome is open`
    return [{ state: 'warning', message, hint: 'Run "routeplane reconcile".' }]
  },
}
