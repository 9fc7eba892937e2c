/** Our way to a network of Tempo, with the key that pays for what we send there. */
import { createClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { tempo, tempoModerato } from 'viem/chains'
import { chainIdOf } from '../../../chain/networks.ts'
import { RouteplaneError } from '../../../errors.ts'
import type { Secret } from '../../../lib/log.ts'
import type { TempoClient } from '../method.ts'

/** Between two looks for a receipt; a block takes half a second. */
const POLL_MS = 250

/** @throws RouteplaneError `unknown_network` for a chain that is none of Tempo's. */
export function openTempoClient(network: string, node: Secret, key: Secret | undefined): TempoClient {
  const chain = [tempo, tempoModerato].find(({ id }) => id === chainIdOf(network))
  if (chain === undefined) throw new RouteplaneError('unknown_network', `${network} is no network of Tempo`)
  const hex = key?.reveal()
  const account = hex === undefined ? undefined : privateKeyToAccount((hex.startsWith('0x') ? hex : `0x${hex}`) as `0x${string}`)
  const transport = http(node.reveal(), { retryCount: 0 })
  return createClient({ chain, transport, pollingInterval: POLL_MS, ...(account === undefined ? {} : { account }) })
}
