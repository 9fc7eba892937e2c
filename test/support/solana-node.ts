/** A Solana network in miniature: the real runtime and token program (litesvm) behind the JSON-RPC that clients and facilitators call. */
import { randomBytes } from 'node:crypto'
import { LiteSVM } from 'litesvm'
import { onTestFinished } from 'vitest'
import { solanaAssets, solanaPrograms } from '../../contracts-abi/solana.ts'
import { addressBytes, tokenAccountOf } from '../../src/chain/solana/address.ts'
import { readMessage, readTransaction } from '../../src/chain/solana/message.ts'
import { encodeBase58 } from '../../src/lib/base58.ts'
import { SolanaKey } from '../../src/wallet/solana/key.ts'
import { startUpstream } from './upstream.ts'

export const DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
export const devnetUsdc = solanaAssets.find(({ network }) => network === DEVNET)?.address ?? ''
const GENESIS = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG'
/** How many blocks a blockhash is good for. */
const BLOCKHASH_BLOCKS = 150

/** What a test may do to the node. It has no votes: how far it is final, and what it has forgotten, is said here. */
export type SolanaNode = {
  readonly rpcUrl: string
  /** Methods in the order of their calls. */
  readonly calls: readonly string[]
  /** Signatures of the transactions that are in a block. */
  readonly landed: readonly string[]
  readonly state: {
    /** Slots that the finalized head lies behind. */
    finalityLag: number
    firstSlot: number
    /** Whether the history knows what has landed: an indexer may lag, or lie. */
    hidesHistory: boolean
    /** Methods that fail. */
    readonly failing: Set<string>
    genesis: string
  }
  /** Puts an account of the token there, or writes another amount into it. */
  fund(owner: string, amount: bigint): void
  balanceOf(owner: string): bigint
  /** Coins for the fees of whoever pays them. */
  giveSol(address: string): void
  /** Blocks go by; after a hundred and fifty of them older blockhashes are dead. */
  pass(blocks: number): void
  /** Executes a wire transaction, base64. @returns its signature. */
  send(wire: string): string
}

type Landed = {
  readonly signature: string
  readonly slot: number
  readonly wire: string
  readonly failed: boolean
  readonly before: readonly Balance[]
  readonly after: readonly Balance[]
}
type Balance = {
  readonly accountIndex: number
  readonly mint: string
  readonly owner: string
  readonly uiTokenAmount: { readonly amount: string }
}
type Params = readonly [string, Record<string, unknown>?]

export const newSolanaKey = () => new SolanaKey(randomBytes(32))

/** Starts a node on a free loopback port; it ends with the test. */
export async function startSolanaNode(): Promise<SolanaNode> {
  const svm = new LiteSVM()
  putAccount(svm, devnetUsdc, mintData())
  const clock = { slot: 1_000 }
  const landed: Landed[] = []
  const calls: string[] = []
  const state = { finalityLag: 0, firstSlot: 0, hidesHistory: false, failing: new Set<string>(), genesis: GENESIS }
  const finalized = () => clock.slot - state.finalityLag
  const upTo = (options: Record<string, unknown> = {}) => (options['commitment'] === 'finalized' ? finalized() : clock.slot)

  const execute = (wire: string): string => {
    const { transaction, message, signature } = decode(wire)
    const before = balancesOf(svm, message)
    const outcome = svm.sendTransaction(transaction)
    const failed = 'err' in outcome
    // Only what has paid its fee is in a block; a dead blockhash or a message that was taken before is not.
    if (failed && !isProcessed(outcome.err())) throw new Error('transaction was not taken')
    clock.slot += 1
    landed.push({ signature, slot: clock.slot, wire, failed, before, after: balancesOf(svm, message) })
    return signature
  }

  const methods: Record<string, (params: Params) => unknown> = {
    getGenesisHash: () => state.genesis,
    getSlot: ([options]) => upTo(options as never),
    getEpochInfo: () => ({ absoluteSlot: finalized(), blockHeight: finalized() - 500 }),
    getFirstAvailableBlock: () => state.firstSlot,
    getLatestBlockhash: () =>
      inContext(clock.slot, { blockhash: svm.latestBlockhash(), lastValidBlockHeight: clock.slot - 500 + BLOCKHASH_BLOCKS }),
    getAccountInfo: ([address]) => inContext(clock.slot, accountOf(svm, address)),
    simulateTransaction: ([wire]) => inContext(clock.slot, { err: simulate(svm, wire), logs: [] }),
    sendTransaction: ([wire]) => execute(wire),
    getSignatureStatuses: ([signatures]) =>
      inContext(
        clock.slot,
        (signatures as unknown as readonly string[]).map((signature) => {
          const found = landed.find((each) => each.signature === signature)
          return found === undefined ? null : { slot: found.slot, err: errorOf(found), confirmationStatus: 'confirmed', confirmations: 1 }
        }),
      ),
    getSignaturesForAddress: ([address, options]) => {
      if (Number(options?.['minContextSlot'] ?? 0) > clock.slot) throw new Error('the node lags')
      const accountsOf = ({ wire }: Landed) => readMessage(decode(wire).message)?.instructions.flatMap(({ accounts }) => accounts) ?? []
      const names = (each: Landed) => accountsOf(each).some((account) => account.address === address)
      const known = landed.filter((each) => !state.hidesHistory && each.slot <= upTo(options) && names(each))
      return known
        .toReversed()
        .map((each) => ({ signature: each.signature, slot: each.slot, err: errorOf(each), memo: null, blockTime: 1 }))
    },
    getTransaction: ([signature, options]) => {
      const found = landed.find((each) => each.signature === signature && each.slot <= upTo(options))
      if (found === undefined) return null
      const meta = { err: errorOf(found), preTokenBalances: found.before, postTokenBalances: found.after }
      return { slot: found.slot, blockTime: 1, meta, transaction: [found.wire, 'base64'] }
    },
  }

  const upstream = await startUpstream(({ json }) => {
    const { id, method, params } = json as { id: unknown; method: string; params: Params }
    calls.push(method)
    try {
      if (state.failing.has(method)) throw new Error('the node is down')
      const result = methods[method]?.(params)
      if (result === undefined) throw new Error(`no such method: ${method}`)
      return { json: { jsonrpc: '2.0', id, result } }
    } catch (error) {
      return { json: { jsonrpc: '2.0', id, error: { code: -32000, message: String(error) } } }
    }
  })
  onTestFinished(() => upstream.close())
  return {
    rpcUrl: upstream.url,
    calls,
    get landed() {
      return landed.map(({ signature }) => signature)
    },
    state,
    fund: (owner, amount) => putAccount(svm, tokenAccountOf(owner, devnetUsdc), accountData(owner, amount)),
    balanceOf: (owner) => amountIn(dataOf(svm, tokenAccountOf(owner, devnetUsdc))),
    pass(blocks) {
      clock.slot += blocks
      if (blocks > BLOCKHASH_BLOCKS) svm.expireBlockhash()
    },
    send: execute,
    giveSol: (address) => {
      svm.airdrop(address as never, 1_000_000_000n as never)
    },
  }
}

const inContext = (slot: number, value: unknown) => ({ context: { slot }, value })
const errorOf = ({ failed }: Landed) => (failed ? { InstructionError: [2, { Custom: 1 }] } : null)

/** An instruction that failed did so in a block; every other error kept the transaction out of one. */
function isProcessed(error: unknown): boolean {
  return typeof error === 'object' && error !== null && error.constructor.name === 'TransactionErrorInstructionError'
}

function decode(wire: string) {
  const read = readTransaction(Buffer.from(wire, 'base64'))
  const signers = read && readMessage(read.message)?.signers
  if (read === undefined || signers === undefined) throw new Error('that is no transaction')
  const isMissing = (signature: Uint8Array) => signature.every((byte) => byte === 0)
  const signatures = signers.map((signer, at) => {
    const signature = read.signatures[at] ?? new Uint8Array(64)
    return [signer, isMissing(signature) ? null : signature] as const
  })
  const transaction = { messageBytes: read.message, signatures: Object.fromEntries(signatures) } as never as Parameters<
    LiteSVM['sendTransaction']
  >[0]
  return { transaction, message: read.message, signature: encodeBase58(read.signatures[0] ?? new Uint8Array(64)) }
}

/** Without the fee payer's signature, as nodes simulate. */
function simulate(svm: LiteSVM, wire: string): unknown {
  svm.withSigverify(false)
  try {
    const outcome = svm.simulateTransaction(decode(wire).transaction)
    return 'err' in outcome ? { InstructionError: [2, String(outcome.err())] } : null
  } finally {
    svm.withSigverify(true)
  }
}

function dataOf(svm: LiteSVM, address: string): Buffer | undefined {
  const account = svm.getAccount(address as never)
  return account.exists ? Buffer.from(account.data) : undefined
}

function accountOf(svm: LiteSVM, address: string): unknown {
  const data = dataOf(svm, address)
  if (data === undefined) return null
  return {
    data: [data.toString('base64'), 'base64'],
    executable: false,
    lamports: 1,
    owner: solanaPrograms.token,
    rentEpoch: 0,
    space: data.length,
  }
}

function amountIn(data: Buffer | undefined): bigint {
  return data?.readBigUInt64LE(64) ?? 0n
}

function balancesOf(svm: LiteSVM, message: Uint8Array): readonly Balance[] {
  const accounts = readMessage(message)?.instructions.flatMap((instruction) => instruction.accounts) ?? []
  return [...new Set(accounts.map(({ address }) => address))].flatMap((address, accountIndex) => {
    const data = dataOf(svm, address)
    if (data?.length !== 165) return []
    const [mint, owner] = [encodeBase58(data.subarray(0, 32)), encodeBase58(data.subarray(32, 64))]
    return [{ accountIndex, mint, owner, uiTokenAmount: { amount: amountIn(data).toString() } }]
  })
}

function putAccount(svm: LiteSVM, address: string, data: Buffer): void {
  const account = {
    address,
    data,
    executable: false,
    lamports: 10_000_000n,
    programAddress: solanaPrograms.token,
    space: BigInt(data.length),
  }
  svm.setAccount(account as never)
}

/** @see https://www.solana-program.com/docs/token for the layout of mints and accounts. */
function mintData(): Buffer {
  const data = Buffer.alloc(82)
  data.writeBigUInt64LE(10n ** 15n, 36)
  data.set([6, 1], 44)
  return data
}

function accountData(owner: string, amount: bigint): Buffer {
  const data = Buffer.alloc(165)
  data.set(addressBytes(devnetUsdc) ?? [], 0)
  data.set(addressBytes(owner) ?? [], 32)
  data.writeBigUInt64LE(amount, 64)
  data[108] = 1
  return data
}
