/** Files that hold a secret: read only when nobody else could have touched them, written whole, private and never over another. */
import { constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { link, lstat, open, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { randomBytesOf } from '../lib/id.ts'

const MAX_BYTES = 65_536

/**
 * Reads a secret file after checking that it is a plain file, ours, and closed to everyone else.
 *
 * @throws {@link RouteplaneError} `keystore_missing`, `keystore_unsafe` (with `details.reason`), `keystore_invalid` when too large.
 */
export async function readSecretFile(path: string): Promise<string> {
  const seen = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' || cause.code === 'ENOTDIR'
      ? missing(path)
      : unsafe(path, 'unreadable', `cannot be looked at (${cause.code})`)
  })
  checkStats(path, seen)
  const file = await openChecked(path)
  try {
    const opened = await file.stat()
    if (opened.ino !== seen.ino || opened.dev !== seen.dev) throw unsafe(path, 'changed', 'was exchanged while it was opened')
    checkStats(path, opened)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/**
 * Writes a new secret file: whole under a name of its own, on the disk, then linked to its name, which fails if that is
 * taken. A rename would not: it replaces in silence a key that appeared in between.
 *
 * @throws {@link RouteplaneError} `keystore_exists`, or `keystore_unsafe` when the directory cannot be written.
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${Buffer.from(randomBytesOf(8)).toString('hex')}.tmp`
  try {
    makeDirectory(dirname(path), 0o700)
  } catch (cause) {
    throw unsafe(dirname(path), 'unwritable', `cannot be made a directory (${(cause as NodeJS.ErrnoException).code})`)
  }
  try {
    await writeDurably(temporary, text)
    await link(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw exists(path)
    throw unsafe(path, 'unwritable', `cannot be written (${String((cause as NodeJS.ErrnoException).code)})`)
  } finally {
    await unlink(temporary).catch(() => {})
  }
  await syncDirectory(dirname(path))
}

/**
 * Fails early when the name is taken, before anything slow or random is done.
 *
 * @throws {@link RouteplaneError} `keystore_exists`
 */
export async function requireAbsent(path: string): Promise<void> {
  const taken = await lstat(path).then(
    () => true,
    () => false,
  )
  if (taken) throw exists(path)
}

function checkStats(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw unsafe(path, 'symlink', 'is a symbolic link')
  if (!stats.isFile()) throw unsafe(path, 'not_a_file', 'is not a regular file')
  // Windows has neither owners nor modes in this sense.
  const user = process.getuid?.()
  if (user !== undefined && stats.uid !== user) throw unsafe(path, 'owner', 'belongs to another user')
  if (user !== undefined && (stats.mode & 0o077) !== 0)
    throw unsafe(path, 'mode', 'can be read or written by others', `Run: chmod 600 ${path}`)
  if (stats.size > MAX_BYTES) throw new RouteplaneError('keystore_invalid', `${path} is larger than a keystore can be`)
}

async function openChecked(path: string): Promise<FileHandle> {
  const noFollow = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW
  return open(path, constants.O_RDONLY | noFollow).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw missing(path)
    throw unsafe(path, cause.code === 'ELOOP' ? 'symlink' : 'unreadable', `cannot be opened (${cause.code})`)
  })
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text, 'utf8')
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A new name is durable once its directory is; systems that cannot sync a directory need no help. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined)
  await directory?.sync().catch(() => {})
  await directory?.close()
}

function exists(path: string): RouteplaneError {
  return new RouteplaneError('keystore_exists', `${path} exists already and is never overwritten`, {
    hint: 'Choose another path, or move the old file away.',
  })
}

function missing(path: string): RouteplaneError {
  return new RouteplaneError('keystore_missing', `there is no keystore at ${path}`, { hint: 'Run "routeplane wallet create".' })
}

function unsafe(path: string, reason: string, what: string, hint?: string): RouteplaneError {
  return new RouteplaneError('keystore_unsafe', `${path} ${what}`, { details: { reason }, ...(hint === undefined ? {} : { hint }) })
}
