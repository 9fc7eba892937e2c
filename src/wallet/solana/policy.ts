/** The Solana wallet's own lock: a message is signed only when every byte of it is accounted for by one agreed transfer. */
import { solanaPrograms } from '../../../contracts-abi/solana.ts'
import { findNetwork, findSolanaAsset, isSolana, type SolanaAssetRow } from '../../chain/networks.ts'
import { isSolanaAddress, tokenAccountOf } from '../../chain/solana/address.ts'
import { messageHash, readMessage, type SolanaInstruction, type SolanaMessage } from '../../chain/solana/message.ts'
import { checkTimes, checkValue, refusal, type Judge } from '../policy-rules.ts'
import type { PolicyOptions } from '../policy.ts'
import type { SolanaGrant, SolanaTransfer } from './wallet.ts'

export type SolanaPolicy = {
  /**
   * Agrees to one message and remembers it, or refuses. Synchronous, so that two requests cannot both be an attempt's first.
   *
   * @throws RouteplaneError `policy_refused`
   */
  approve(transfer: SolanaTransfer, grant: SolanaGrant, payer: string): void
}

export function createSolanaPolicy({ clock, mainnets = [] }: PolicyOptions): SolanaPolicy {
  const by: Judge = { clock, mainnets, signed: new Map() }
  return {
    approve(transfer, grant, payer) {
      const row = requireToken(transfer, mainnets)
      checkParties(transfer, grant, payer)
      checkValue(transfer.value, grant)
      checkTimes({ ...transfer, validAfterSeconds: 0n }, by)
      checkMessage(transfer, row, payer)
      claimAttempt(transfer, grant, by)
    },
  }
}

function requireToken({ network, asset }: SolanaTransfer, mainnets: readonly string[]): SolanaAssetRow {
  const known = isSolana(network) ? findNetwork(network) : undefined
  if (known === undefined) throw refusal('network_unknown', 'the network is not in our table')
  if (!known.testnet && !mainnets.includes(network))
    throw refusal('network_not_allowed', `${known.chainName} is real money, which this wallet is not configured for`)
  const row = findSolanaAsset(network, asset)
  if (row === undefined) throw refusal('asset_unknown', `the token is not in our table for ${known.chainName}`)
  return row
}

function checkParties({ to, asset, feePayer }: SolanaTransfer, { payee }: SolanaGrant, payer: string): void {
  if (!isSolanaAddress(to)) throw refusal('payee_malformed', 'the payee is not an address')
  if (to !== payee) throw refusal('payee_not_granted', 'the payee is not the one that was agreed')
  if (to === payer) throw refusal('payee_self', 'the payee is this wallet')
  if (to === asset) throw refusal('payee_token', 'the payee is the token itself')
  if (!isSolanaAddress(feePayer)) throw refusal('facilitator_malformed', 'who pays the fee is not an address')
  if (feePayer === payer) throw refusal('facilitator_malformed', 'this wallet pays no fees')
}

/** What a fee payer may be made to buy; it is not our money, but a facilitator would refuse more. */
const MAX_COMPUTE_UNITS = 400_000
const MAX_MICRO_LAMPORTS = 5_000_000n

type Allowed = {
  readonly program: string
  readonly most: number
  isRight(instruction: SolanaInstruction, transfer: SolanaTransfer, row: SolanaAssetRow, payer: string): boolean
}

/** All that a payment may have, and nothing of it twice. */
const allowed: readonly Allowed[] = [
  { program: solanaPrograms.computeBudget, most: 2, isRight: isBoundedBudget },
  { program: solanaPrograms.token, most: 1, isRight: isTheTransfer },
  {
    program: solanaPrograms.memo,
    most: 1,
    isRight: ({ accounts, data }, { memo }) => accounts.length === 0 && Buffer.from(data).equals(Buffer.from(memo)),
  },
]

function checkMessage(transfer: SolanaTransfer, row: SolanaAssetRow, payer: string): void {
  const message = readMessage(transfer.message)
  if (message === undefined) throw refusal('message_malformed', 'what is to be signed cannot be read to its last byte')
  const differs = (what: string) => refusal('message_differs', `what is to be signed ${what}`)
  if (!isSignedBy(message, transfer.feePayer, payer)) throw differs('does not have the fee payer and this wallet for its signers')
  if (message.blockhash !== transfer.blockhash) throw differs('lives longer or shorter than was agreed')
  for (const instruction of message.instructions) {
    const rule = allowed.find(({ program }) => program === instruction.program)
    if (rule === undefined) throw differs(`calls the program ${instruction.program}`)
    if (message.instructions.filter(({ program }) => program === rule.program).length > rule.most)
      throw differs(`calls ${rule.program} too often`)
    if (!rule.isRight(instruction, transfer, row, payer)) throw differs(`does something else with ${rule.program} than was agreed`)
  }
  if (!message.instructions.some(({ program }) => program === solanaPrograms.token)) throw differs('has no transfer')
}

function isSignedBy({ signers }: SolanaMessage, feePayer: string, payer: string): boolean {
  return signers.length === 2 && signers[0] === feePayer && signers[1] === payer
}

/** @see https://solana.com/docs/core/fees, "Compute Budget Instructions": 2 limits the units, 3 prices one. */
function isBoundedBudget({ accounts, data }: SolanaInstruction): boolean {
  const bytes = Buffer.from(data)
  if (accounts.length > 0) return false
  if (bytes[0] === 2) return bytes.length === 5 && bytes.readUInt32LE(1) <= MAX_COMPUTE_UNITS
  return bytes[0] === 3 && bytes.length === 9 && bytes.readBigUInt64LE(1) <= MAX_MICRO_LAMPORTS
}

/** `TransferChecked` of the token program: from our account, of the mint, to the payee's, by us. */
function isTheTransfer({ accounts, data }: SolanaInstruction, transfer: SolanaTransfer, row: SolanaAssetRow, payer: string): boolean {
  const bytes = Buffer.from(data)
  const named = [tokenAccountOf(payer, row.address), row.address, tokenAccountOf(transfer.to, row.address), payer]
  return (
    bytes.length === 10 &&
    bytes[0] === 12 &&
    bytes.readBigUInt64LE(1) === transfer.value &&
    bytes[9] === row.decimals &&
    accounts.length === named.length &&
    // The two accounts are written, and we sign: as the token program asks for it, and no more.
    accounts.every(({ address, signs, writes }, at) => address === named[at] && signs === (at === 3) && writes === (at % 2 === 0))
  )
}

/** An attempt may sign one message, however often. */
function claimAttempt({ message, validBeforeSeconds }: SolanaTransfer, { attemptId }: SolanaGrant, { signed }: Judge): void {
  const hash = messageHash(message)
  const earlier = signed.get(attemptId)
  if (earlier !== undefined && earlier.message !== hash) throw refusal('nonce_reused', 'the attempt has signed another message already')
  signed.set(attemptId, { message: hash, place: '', validBefore: validBeforeSeconds })
}
