/** The channel reserve of the Tempo network (TIP-1034): what a payer calls, what is read back, and the typed data of its vouchers. */

/** The one place on every Tempo network; a seller that names another is refused. */
export const tempoReserveAddress = '0x4d50500000000000000000000000000000000000'

/** Seconds between asking for one's own money and getting it. */
export const TEMPO_CLOSE_GRACE_SECONDS = 900

/** @see https://tips.sh/1034-1 */
export const tempoReserveDomain = { name: 'TIP20 Channel Reserve', version: '1' } as const

export const tempoReserveTypes = {
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'cumulativeAmount', type: 'uint96' },
  ],
} as const

const descriptor = {
  name: 'descriptor',
  type: 'tuple',
  components: [
    { name: 'payer', type: 'address' },
    { name: 'payee', type: 'address' },
    { name: 'operator', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'salt', type: 'bytes32' },
    { name: 'authorizedSigner', type: 'address' },
    { name: 'expiringNonceHash', type: 'bytes32' },
  ],
} as const

export const tempoReserveAbi = [
  {
    type: 'function',
    name: 'open',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'payee', type: 'address' },
      { name: 'operator', type: 'address' },
      { name: 'token', type: 'address' },
      { name: 'deposit', type: 'uint96' },
      { name: 'salt', type: 'bytes32' },
      { name: 'authorizedSigner', type: 'address' },
    ],
    outputs: [{ name: 'channelId', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'topUp',
    stateMutability: 'nonpayable',
    inputs: [descriptor, { name: 'additionalDeposit', type: 'uint96' }],
    outputs: [],
  },
  { type: 'function', name: 'requestClose', stateMutability: 'nonpayable', inputs: [descriptor], outputs: [] },
  { type: 'function', name: 'withdraw', stateMutability: 'nonpayable', inputs: [descriptor], outputs: [] },
  {
    type: 'function',
    name: 'getChannelState',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [
      {
        name: 'state',
        type: 'tuple',
        components: [
          { name: 'settled', type: 'uint96' },
          { name: 'deposit', type: 'uint96' },
          { name: 'closeRequestedAt', type: 'uint32' },
        ],
      },
    ],
  },
] as const

export const channelOpenedEvent = {
  type: 'event',
  name: 'ChannelOpened',
  inputs: [
    { name: 'channelId', type: 'bytes32', indexed: true },
    { name: 'payer', type: 'address', indexed: true },
    { name: 'payee', type: 'address', indexed: true },
    { name: 'operator', type: 'address', indexed: false },
    { name: 'token', type: 'address', indexed: false },
    { name: 'authorizedSigner', type: 'address', indexed: false },
    { name: 'salt', type: 'bytes32', indexed: false },
    { name: 'expiringNonceHash', type: 'bytes32', indexed: false },
    { name: 'deposit', type: 'uint96', indexed: false },
  ],
} as const

export const channelClosedEvent = {
  type: 'event',
  name: 'ChannelClosed',
  inputs: [
    { name: 'channelId', type: 'bytes32', indexed: true },
    { name: 'payer', type: 'address', indexed: true },
    { name: 'payee', type: 'address', indexed: true },
    { name: 'settledToPayee', type: 'uint96', indexed: false },
    { name: 'refundedToPayer', type: 'uint96', indexed: false },
  ],
} as const
