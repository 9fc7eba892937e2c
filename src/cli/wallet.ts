/** `routeplane wallet`: makes, takes in and shows the one wallet that pays. */
import { lstat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import type { Config } from '../config/config.ts'
import { ZERO_USD } from '../money.ts'
import type { Holding, Status, WalletStatus } from '../routeplane.ts'
import { plainCommand, type Command, type CommandResult, type OptionSpec } from './command.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'
import { keyOnCommandLine } from './key-on-command-line.ts'
import { fields, money, table, usdText } from './output.ts'
import { firstLine, newPassword } from './password.ts'
import { loadFor, withEngine } from './session.ts'
import { spendableOf } from './spendable.ts'
import { solanaNextSteps, solanaOption, solanaText, solanaValue } from './wallet-solana.ts'

const MAX_KEY_BYTES = 4096

export const passwordFile = {
  type: 'string',
  value: '<file>',
  summary: 'The password is the first line of this file.',
} as const satisfies OptionSpec
export const passwordDetails = ['The password is asked for, or taken from --password-file or ROUTEPLANE_WALLET_PASSWORD.']

export const walletCreate: Command = {
  ...plainCommand,
  name: 'wallet create',
  summary: 'Make a new wallet in an encrypted key file.',
  details: ['A key file that is there already stays as it is.', ...passwordDetails],
  options: { solana: solanaOption, 'password-file': passwordFile },
  async run(invocation, context) {
    const config = await loadFor(invocation, context)
    const { path, solana } = placeOf(invocation, config)
    await requireAbsent(path)
    const password = await newPassword(invocation, config, context)
    const { keystore } = context.engine
    const address = await (solana ? keystore.createSolana({ path, password }) : keystore.create({ path, password }))
    return created('Made a wallet', { address, path, solana }, config)
  },
}

export const walletImport: Command = {
  ...plainCommand,
  name: 'wallet import',
  summary: 'Put a key you have into an encrypted key file.',
  details: [
    'The key (64 hex digits) is asked for, or taken from --key-file or standard input; never from the command line.',
    'With --solana it is what a Solana wallet exports (base58), or the content of id.json.',
    ...passwordDetails,
  ],
  positionals: ['(key)'],
  options: {
    solana: solanaOption,
    'key-file': { type: 'string', value: '<file>', summary: 'The key is the first line of this file.' },
    'password-file': passwordFile,
  },
  async run(invocation, context) {
    if (invocation.positionals.length > 0) throw keyOnCommandLine()
    const config = await loadFor(invocation, context)
    const { path, solana } = placeOf(invocation, config)
    await requireAbsent(path)
    const privateKey = await keyOf(invocation, context)
    const password = await newPassword(invocation, config, context)
    const { keystore } = context.engine
    const given = { path, password, privateKey }
    const address = await (solana ? keystore.importSolana(given) : keystore.importKey(given))
    return created('Took in the wallet', { address, path, solana }, config)
  },
}

export const walletStatus: Command = {
  ...plainCommand,
  name: 'wallet status',
  summary: 'Show the address, what it holds, and what may still be spent.',
  async run(invocation, context) {
    const { status, holdings, config } = await withEngine(invocation, context, async (routeplane, own) => ({
      status: await routeplane.status(),
      holdings: await routeplane.holdings(),
      config: own,
    }))
    const { wallet, solana } = status
    if (wallet === undefined) {
      throw new RouteplaneError('keystore_missing', `there is no wallet at ${config.wallet.keystore}`, {
        hint: 'Make one with "routeplane wallet create".',
      })
    }
    const text = [statusText(status, wallet), ...holdings.map(holdingText), ...(solana === undefined ? [] : [`\n${solanaText(solana)}`])]
    const value = {
      ...statusValue(status, wallet),
      other_holdings: holdings.map(holdingValue),
      ...(solana === undefined ? {} : { solana: solanaValue(solana) }),
    }
    return { text: text.join('\n'), value }
  },
}

export type Place = { readonly path: string; readonly solana: boolean }

/** The key file that is meant: the wallet's, or that of the key that pays on Solana. */
export function placeOf(invocation: Invocation, { wallet }: Config): Place {
  const solana = invocation.flag('solana')
  return { solana, path: solana ? wallet.solana.keystore : wallet.keystore }
}

/** Asked before the password is, so that nobody types one for nothing. Whoever writes the file checks again. */
async function requireAbsent(path: string): Promise<void> {
  const isTaken = await lstat(path).then(
    () => true,
    () => false,
  )
  if (!isTaken) return
  throw new RouteplaneError('keystore_exists', `there is a key file at ${path} already, and it stays as it is`, {
    hint: 'To have another wallet, set wallet.keystore, or wallet.solana.keystore, to another path.',
  })
}

async function keyOf(invocation: Invocation, { terminal, environment }: CommandContext): Promise<string> {
  const file = invocation.text('key-file')
  const key =
    file !== undefined
      ? await firstLine(resolve(environment.workingDirectory, file))
      : terminal.isInteractive
        ? await terminal.askHidden('Private key (not shown): ')
        : await terminal.readInput(MAX_KEY_BYTES)
  if (key.trim() !== '') return key.trim()
  throw new RouteplaneError('invalid_key', 'no key was given', { hint: 'Give --key-file <file>, or pipe the key in.' })
}

function created(done: string, { address, path, solana }: Place & { readonly address: string }, config: Config): CommandResult {
  const { wallet } = config
  const text = [
    fields([
      [done, address],
      ['Key file', path],
      ['Network', wallet.network],
    ]),
    '',
    ...(solana ? solanaNextSteps(config) : wallet.network === 'testnet' ? onTestnet : onMainnet),
  ]
  return { text: text.join('\n'), value: { address, keystore: path, network: wallet.network } }
}

// https://faucet.circle.com
const onTestnet = [
  'To pay with play money, send test USDC on Base Sepolia (eip155:84532) to that address: https://faucet.circle.com',
  'Then: routeplane wallet status',
]
const onMainnet = [
  'To pay, send USDC on Base (eip155:8453) to that address, and only as much as you would leave in a pocket.',
  'Keep a copy of the key file and its password: nobody else can bring them back.',
]

function statusText(status: Status, wallet: WalletStatus): string {
  const head = fields([
    ['address', wallet.address],
    ['network', wallet.network],
    [
      'balance',
      wallet.balanceUsd === undefined
        ? `unknown (${wallet.asset}): the chain could not be asked`
        : `${money(wallet.balanceUsd)} ${wallet.asset}`,
    ],
    ['held', `${money(wallet.heldUsd)} ${wallet.asset}`],
    ['spendable', wallet.balanceUsd === undefined ? 'unknown' : `${money(spendableOf(wallet))} ${wallet.asset}`],
    ...('permit2Usd' in wallet ? [['Permit2', permitText(wallet)] as const] : []),
    ['open', `${status.openAttempts} ${status.openAttempts === 1 ? 'payment' : 'payments'}`],
  ])
  if (status.caps.length === 0) return head
  const rows = status.caps.map(({ scope, window, capUsd, availableUsd, resetsAt }) => [
    scope,
    window,
    money(capUsd),
    money(availableUsd),
    resetText(resetsAt)?.replace('T', ' ').slice(0, 16) ?? '',
  ])
  return `${head}\n\n${table(['scope', 'window', 'cap', 'left', 'anew (UTC)'], rows)}`
}

/** Only some providers are paid over it: most wallets allow it nothing. */
function permitText({ permit2Usd, asset }: WalletStatus): string {
  if (permit2Usd === undefined) return 'unknown'
  return permit2Usd === ZERO_USD ? 'may take nothing; see "routeplane wallet approve"' : `may take ${money(permit2Usd)} ${asset}`
}

function holdingText({ asset, balanceUsd, chainName, network, isPayable }: Holding): string {
  if (balanceUsd === undefined) return `\n${asset} on ${chainName} (${network}): unknown, the chain could not be asked.`
  const also = isPayable ? 'is there too, for providers that take it' : 'cannot be spent: the wallet does not pay on that network'
  return `\n${money(balanceUsd)} ${asset} on ${chainName} (${network}) ${also}.`
}

function holdingValue({ network, asset, balanceUsd, isPayable }: Holding): unknown {
  return { network, asset, balance_usd: usdText(balanceUsd), payable: isPayable }
}

function statusValue(status: Status, wallet: WalletStatus): Readonly<Record<string, unknown>> {
  return {
    address: wallet.address,
    network: wallet.network,
    asset: wallet.asset,
    balance_usd: usdText(wallet.balanceUsd),
    held_usd: usdText(wallet.heldUsd),
    spendable_usd: usdText(spendableOf(wallet)),
    ...('permit2Usd' in wallet ? { permit2_allowance_usd: usdText(wallet.permit2Usd) } : {}),
    open_attempts: status.openAttempts,
    caps: status.caps.map(({ scope, window, capUsd, availableUsd, resetsAt }) => ({
      scope,
      window,
      cap_usd: usdText(capUsd),
      left_usd: usdText(availableUsd),
      resets_at: resetText(resetsAt) ?? null,
    })),
  }
}

function resetText(resetsAt: number | undefined): string | undefined {
  return resetsAt === undefined ? undefined : new Date(resetsAt).toISOString()
}
