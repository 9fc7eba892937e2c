/** Reads what an offer of `tempo/session` says beside its price, and refuses channels that nobody should open. */
import { tempoReserveAddress } from '../../chain/tempo-channel.ts'
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import type { Atomic } from '../../money.ts'
import { readAmount } from '../channel/correct.ts'
import type { MppChallenge } from '../challenge/mpp-challenge.ts'

export type SessionOffer = {
  /** Who may settle beside the payee; zero for nobody. */
  readonly operator: `0x${string}`
  /** What the seller would like to see put in; its wish, no more. */
  readonly suggestedDeposit?: Atomic
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const NOBODY = `0x${'0'.repeat(40)}` as const

/**
 * @throws RouteplaneError `bad_challenge` for another place than the network's own reserve, another protocol of sessions, a fee
 *   that somebody else would sign for, or steps between vouchers that are larger than the price of a unit.
 */
export function readSessionOffer({ request }: MppChallenge, unit: Atomic): SessionOffer {
  const details = isRecord(request['methodDetails']) ? request['methodDetails'] : {}
  const {
    escrowContract = tempoReserveAddress,
    operator = NOBODY,
    sessionProtocol = 'v2',
    feePayer = false,
    minVoucherDelta = '0',
  } = details
  if (typeof escrowContract !== 'string' || escrowContract.toLowerCase() !== tempoReserveAddress.toLowerCase())
    throw refused('not in the reserve of the network')
  if (typeof operator !== 'string' || !ADDRESS.test(operator)) throw refused('its operator is no address')
  if (sessionProtocol !== 'v2') throw refused('in a protocol of sessions that we do not speak')
  if (feePayer !== false) throw refused('its opening is to be sponsored, which we do not do')
  const step = readAmount(minVoucherDelta)
  if (step === undefined || step > unit) throw refused('its least voucher is above the price of a unit')
  const suggestedDeposit = readAmount(request['suggestedDeposit'])
  return { operator: operator as `0x${string}`, ...(suggestedDeposit === undefined ? {} : { suggestedDeposit }) }
}

function refused(why: string): RouteplaneError {
  return new RouteplaneError('bad_challenge', `the provider offers a session, but ${why}`)
}
