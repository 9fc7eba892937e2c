/** The token that callers of the HTTP surface must show: the config's, or one made here and kept in a file. */
import { lstat, open, readFile, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { randomBytesOf } from '../lib/id.ts'
import { Secret } from '../lib/log.ts'

/** `file` is there when the token lives in one: its path may be shown, the token never is. */
export type LocalToken = { readonly token?: Secret; readonly file?: string }

/**
 * Gives the token of this config. With neither `skip_auth` nor `auth_token`, one of 256 bits is made at the first start
 * and read again at every other.
 *
 * @throws RouteplaneError `config_invalid` when the file is not a regular one of mode 0600 with a token in it.
 */
export async function localToken(config: Pick<Config, 'skipAuth' | 'authToken' | 'stateDirectory'>): Promise<LocalToken> {
  if (config.skipAuth) return {}
  if (config.authToken !== undefined) return { token: config.authToken }
  const file = join(config.stateDirectory, 'token')
  return { token: (await create(file)) ?? (await read(file)), file }
}

/** @returns `undefined` when the file is there already, also when another process was faster. */
async function create(file: string): Promise<Secret | undefined> {
  const handle = await openNew(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined
    throw new RouteplaneError('config_invalid', `the token file ${file} cannot be written (${error.code ?? 'unknown cause'})`, {
      hint: 'Set auth_token in the config, or ROUTEPLANE_HOME to a place that can be written.',
      cause: error,
    })
  })
  if (handle === undefined) return undefined
  try {
    const token = Buffer.from(randomBytesOf(32)).toString('base64url')
    await handle.writeFile(`${token}\n`)
    await handle.sync()
    return new Secret(token)
  } finally {
    await handle.close()
  }
}

async function openNew(file: string): Promise<FileHandle> {
  makeDirectory(dirname(file), 0o700)
  return open(file, 'wx', 0o600)
}

async function read(file: string): Promise<Secret> {
  const stat = await lstat(file)
  const isOurs = process.getuid === undefined || stat.uid === process.getuid()
  if (!stat.isFile() || !isOurs || (stat.mode & 0o077) !== 0) {
    throw new RouteplaneError('config_invalid', `the token file ${file} must be a plain file of yours that nobody else can read`, {
      hint: `Remove it to have a new one made, or run "chmod 600 ${file}".`,
      details: { problem: 'unsafe_token_file' },
    })
  }
  const token = (await readFile(file, 'utf8')).trim()
  if (token.length >= 32) return new Secret(token)
  throw new RouteplaneError('config_invalid', `the token file ${file} holds no token`, {
    hint: 'Remove it to have a new one made.',
    details: { problem: 'empty_token_file' },
  })
}
