/** Finds the keystore's password for a process that cannot ask: the environment's, or the first line of a file. */
import { readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import { Secret } from '../lib/log.ts'

export async function walletPassword({ wallet }: Config): Promise<Secret | undefined> {
  if (wallet.password !== undefined || wallet.passwordFile === undefined) return wallet.password
  const file = wallet.passwordFile
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new RouteplaneError('wallet_locked', `the password file ${file} cannot be read`, { cause })
  })
  return new Secret(text.split(/\r?\n/)[0] ?? '')
}
