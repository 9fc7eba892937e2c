/** TIP-20, the tokens of the Tempo network: a transfer with a memo, and the events by which it and its fee are found again. */

/** @see https://docs.tempo.xyz/protocol/tip20/spec */
export const tip20Abi = [
  {
    type: 'function',
    name: 'transferWithMemo',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'to', type: 'address' },
      { name: 'amount', type: 'uint256' },
      { name: 'memo', type: 'bytes32' },
    ],
    outputs: [],
  },
  {
    type: 'event',
    name: 'TransferWithMemo',
    inputs: [
      { name: 'from', type: 'address', indexed: true },
      { name: 'to', type: 'address', indexed: true },
      { name: 'amount', type: 'uint256', indexed: false },
      { name: 'memo', type: 'bytes32', indexed: true },
    ],
  },
] as const

/** Hash of the event's signature; the token writes it right behind the `Transfer` it belongs to. */
export const transferWithMemoTopic = '0x57bc7354aa85aed339e000bccffabbc529466af35f0772c8f8ee1145927de7f0'
