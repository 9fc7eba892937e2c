/** What a facilitator sees of the chain while it judges: asked at once what it would ask one after another, and nothing twice. */
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import type { FacilitatorEvmSigner } from '@x402/evm'
import { getAddress, parseSignature } from 'viem'
import { eip3009Abi } from '../../../contracts-abi/eip3009.ts'
import { isRecord } from '../../lib/json.ts'

type Eyes = Pick<FacilitatorEvmSigner, 'getCode' | 'readContract'>
type Call = Parameters<Eyes['readContract']>[0]

export type Looks = Eyes & {
  /** Asks what will be asked of such a payment soon; whoever asks it first gets this answer, and nobody else. */
  ahead(payment: Pick<PaymentPayload, 'payload'>, terms: Pick<PaymentRequirements, 'asset'>): void
}

/** Milliseconds for which the code of an account is as it was: one judgement asks for it twice, and it may change any time. */
const CODE_MS = 1_000

export function createLooks(eyes: Eyes): Looks {
  const codes = new Map<string, ReturnType<Eyes['getCode']>>()
  const reads = new Map<string, Promise<unknown>>()
  const getCode: Eyes['getCode'] = (of) => {
    const id = of.address.toLowerCase()
    const known = codes.get(id)
    if (known !== undefined) return known
    const asked = eyes.getCode(of)
    codes.set(id, asked)
    forgetLater(codes, id)
    // Whoever asks again after a failure asks the node.
    asked.catch(() => codes.delete(id))
    return asked
  }
  return {
    getCode,
    readContract(call) {
      const id = idOf(call)
      const known = reads.get(id)
      reads.delete(id)
      return known ?? eyes.readContract(call)
    },
    ahead({ payload }, { asset }) {
      const transfer = transferOf(payload, asset)
      if (transfer === undefined) return
      const { payer, call } = transfer
      const id = idOf(call)
      if (reads.has(id)) return
      void getCode({ address: payer }).catch(() => {})
      const asked = eyes.readContract(call)
      asked.catch(() => {})
      reads.set(id, asked)
      forgetLater(reads, id)
    },
  }
}

function forgetLater<T>(from: Map<string, Promise<T>>, id: string): void {
  const kept = from.get(id)
  setTimeout(() => {
    if (from.get(id) === kept) from.delete(id)
  }, CODE_MS).unref()
}

function idOf({ address, functionName, args = [] }: Call): string {
  return [address, functionName, ...args].map(String).join(' ').toLowerCase()
}

/** The transfer that an authorization with a plain signature asks the token for; `undefined` of every other payment. */
function transferOf({ authorization, signature }: Record<string, unknown>, asset: string) {
  if (!isRecord(authorization) || typeof signature !== 'string' || !PLAIN_SIGNATURE.test(signature)) return undefined
  try {
    const { from, to, value, validAfter, validBefore, nonce } = authorization as Record<string, string>
    const { r, s, v, yParity } = parseSignature(signature as `0x${string}`)
    const payer = getAddress(from ?? '')
    const amounts = [value, validAfter, validBefore].map((each) => BigInt(each ?? ''))
    const args = [payer, getAddress(to ?? ''), ...amounts, nonce, v ?? yParity, r, s]
    return { payer, call: { address: getAddress(asset), abi: eip3009Abi, functionName: 'transferWithAuthorization', args } }
  } catch {
    // Whoever judges it says what is wrong with it.
    return undefined
  }
}

const PLAIN_SIGNATURE = /^0x[0-9a-fA-F]{130}$/
