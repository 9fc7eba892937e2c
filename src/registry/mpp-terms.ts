/** What a provider's `mpp` block allows: the payee of the manifest, and the networks and tokens of the methods it names. */
import type { X402Terms } from './endpoint.ts'

/** The methods we can pay by, each with the networks and tokens it is used on where a block names none. */
const mppMethods = [
  { id: 'evm', networks: ['eip155:8453', 'eip155:84532'], assets: ['USDC'] },
  { id: 'tempo', networks: ['eip155:4217', 'eip155:42431'], assets: ['USDC.e', 'pathUSD'] },
] as const

/** Methods with their intents, as challenges pair them. */
export const mppSchemes = ['evm/charge', 'tempo/charge', 'tempo/session'] as const

export type MppFields = {
  readonly methods?: readonly string[] | undefined
  readonly intents?: readonly string[] | undefined
  readonly networks?: readonly string[] | undefined
  readonly assets?: readonly string[] | undefined
}

/**
 * Gives the terms of a block; one without methods or intents excludes none of them.
 *
 * Methods and intents that we do not know are passed over: the protocol has many, and a provider may list them all.
 */
export function mppTermsOf(fields: MppFields, payTo: `0x${string}`, maxPriceSlackPermille: bigint): X402Terms {
  const { methods, intents } = fields
  const known = mppMethods.filter(({ id }) => methods?.includes(id) ?? true)
  const isNamed = (scheme: string) => {
    const [method = '', intent = ''] = scheme.split('/')
    return (methods?.includes(method) ?? true) && (intents?.includes(intent) ?? true)
  }
  return {
    payTo,
    networks: fields.networks ?? known.flatMap(({ networks }) => networks),
    assets: fields.assets ?? known.flatMap(({ assets }) => assets),
    schemes: mppSchemes.filter(isNamed),
    maxPriceSlackPermille,
  }
}
