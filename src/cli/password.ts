/** Where the keystore's password comes from: a file, the environment, or a person who is not shown what he types. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import type { CommandContext } from './context.ts'
import type { Invocation } from './invocation.ts'

/** Short ones are guessed: the file is all an attacker needs to try them. */
const MIN_LENGTH = 8

/**
 * Finds the password for a new keystore: `--password-file`, then the environment, then the config's `password_file`,
 * then a question asked twice.
 *
 * @throws RouteplaneError `usage` when there is none, when it is shorter than 8 characters, or when the two answers differ.
 */
export async function newPassword(invocation: Invocation, config: Config, context: CommandContext): Promise<string> {
  const password = (await givenPassword(invocation, config, context)) ?? (await askTwice(context))
  if ([...password].length >= MIN_LENGTH) return password
  throw new RouteplaneError('usage', `a wallet password needs at least ${MIN_LENGTH} characters`, { details: { problem: 'weak_password' } })
}

async function givenPassword(invocation: Invocation, config: Config, context: CommandContext): Promise<string | undefined> {
  const file = invocation.text('password-file')
  if (file !== undefined) return firstLine(resolve(context.environment.workingDirectory, file))
  if (config.wallet.password !== undefined) return config.wallet.password.reveal()
  return config.wallet.passwordFile === undefined ? undefined : firstLine(config.wallet.passwordFile)
}

/**
 * Finds the password of a key file that is there, as {@link newPassword} does; a question is asked once.
 *
 * @throws RouteplaneError `usage` when there is none.
 */
export async function ownPassword(invocation: Invocation, config: Config, context: CommandContext): Promise<string> {
  const given = await givenPassword(invocation, config, context)
  if (given !== undefined) return given
  if (!context.terminal.isInteractive) throw nobodyToAsk()
  return context.terminal.askHidden('Password of the wallet: ')
}

async function askTwice({ terminal }: CommandContext): Promise<string> {
  if (!terminal.isInteractive) throw nobodyToAsk()
  const first = await terminal.askHidden('Password for the new wallet: ')
  const second = await terminal.askHidden('The same again: ')
  if (first === second) return first
  throw new RouteplaneError('usage', 'the two passwords differ', { details: { problem: 'password_mismatch' } })
}

function nobodyToAsk(): RouteplaneError {
  return new RouteplaneError('usage', 'the wallet needs a password, and there is nobody to ask', {
    hint: 'Give --password-file <file>, or set ROUTEPLANE_WALLET_PASSWORD.',
    details: { problem: 'password_required' },
  })
}

/** Reads a secret from the first line of a file; editors add a line break at its end. */
export async function firstLine(file: string): Promise<string> {
  try {
    const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/)
    return line
  } catch (cause) {
    throw new RouteplaneError('usage', `the file ${file} cannot be read`, { details: { problem: 'unreadable_file' }, cause })
  }
}
