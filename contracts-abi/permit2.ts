/** Permit2's signature transfers with a witness, as the x402 proxies take them: functions that are read, and typed data that is signed. */

/** @see https://github.com/Uniswap/permit2/blob/main/src/SignatureTransfer.sol */
export const permit2Abi = [
  {
    type: 'function',
    name: 'nonceBitmap',
    stateMutability: 'view',
    inputs: [
      { name: 'owner', type: 'address' },
      { name: 'word', type: 'uint256' },
    ],
    outputs: [{ type: 'uint256' }],
  },
] as const

const permitFields = [
  { name: 'permitted', type: 'TokenPermissions' },
  { name: 'spender', type: 'address' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint256' },
  { name: 'witness', type: 'Witness' },
] as const

const permissionFields = [
  { name: 'token', type: 'address' },
  { name: 'amount', type: 'uint256' },
] as const

/** The name of Permit2's EIP-712 domain, which has no version. */
export const permit2DomainName = 'Permit2'

/**
 * What is signed for the exact proxy: the whole amount, to the witness's payee.
 *
 * @see `@x402/evm` 2.27.0 `permit2WitnessTypes`
 */
export const exactPermitTypes = {
  PermitWitnessTransferFrom: permitFields,
  TokenPermissions: permissionFields,
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const

/**
 * What is signed for the `upto` proxy: a ceiling, to the witness's payee, settled by the facilitator it names alone.
 *
 * @see `@x402/evm` 2.27.0 `uptoPermit2WitnessTypes`
 */
export const uptoPermitTypes = {
  PermitWitnessTransferFrom: permitFields,
  TokenPermissions: permissionFields,
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'facilitator', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const
