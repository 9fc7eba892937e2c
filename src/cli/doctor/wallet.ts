/** Whether there is a key to pay with, and whether this process could use it. */
import { walletPassword } from '../../composition/password.ts'
import { asksToBePaid } from '../../registry/endpoint.ts'
import type { Check } from './check.ts'

export const wallet: Check = {
  name: 'wallet',
  async look({ config, routeplane }) {
    const { wallet: own } = await routeplane.status({ isOffline: true })
    if (own === undefined) {
      const isNeeded = routeplane.providers.list().some(({ provider }) => asksToBePaid(provider.payment))
      const message = isNeeded ? 'there is none, and some providers ask to be paid' : 'there is none, and nobody asks to be paid'
      return [isNeeded ? { state: 'warning', message, hint: 'Make one with "routeplane wallet create".' } : { state: 'ok', message }]
    }
    const isOpen = config.wallet.key !== undefined || config.wallet.signer !== undefined || (await walletPassword(config)) !== undefined
    if (isOpen) return [{ state: 'ok', message: `${own.address} on ${config.wallet.network}` }]
    const hint = 'Set ROUTEPLANE_WALLET_PASSWORD, or wallet.password_file in the config.'
    return [{ state: 'warning', message: `${own.address} is locked: its password is not known here, so nothing is paid`, hint }]
  },
}
