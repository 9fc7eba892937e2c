/** Makes the ledger's directory and file readable by their owner alone, and refuses what somebody else may have put there. */
import { chmodSync, closeSync, lstatSync, openSync, statSync, type Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { RouteplaneError } from '../../errors.ts'
import { makeDirectory } from '../../lib/directory.ts'

/** The database and what SQLite keeps beside it; the last two get the mode of the first when SQLite makes them. */
const suffixes = ['', '-wal', '-shm'] as const

/**
 * Prepares the place of a ledger and returns its absolute path.
 *
 * The file is never opened here once it exists: closing any handle of a file drops this process's locks on it (POSIX), those
 * of SQLite included.
 *
 * @throws RouteplaneError `store_unavailable` for a symlink, something that is not a file, a file of another user, or a
 *   directory that others may write to.
 */
export function prepareFile(path: string): string {
  const absolute = resolve(path)
  try {
    makeDirectory(dirname(absolute), 0o700)
    checkDirectory(dirname(absolute))
    for (const suffix of suffixes) tighten(absolute + suffix)
    create(absolute)
    return absolute
  } catch (cause) {
    if (cause instanceof RouteplaneError) throw cause
    const { code = 'unknown cause' } = cause as NodeJS.ErrnoException
    throw new RouteplaneError('store_unavailable', `the ledger ${absolute} cannot be opened (${code})`, {
      hint: 'Set ROUTEPLANE_HOME, or ledger.path in the config, to a place that can be written.',
      cause,
      details: { path: absolute },
    })
  }
}

/**
 * Gives a check that fails once the files are not the ones that were opened: SQLite goes on writing to files that nobody will ever
 * find again, and what is signed on such books is not written down.
 *
 * @throws RouteplaneError `store_unavailable`, from the check.
 */
export function watchFiles(path: string): () => void {
  // Where files that are open cannot be taken away, there is nothing to watch.
  if (process.platform === 'win32') return () => {}
  const opened = suffixes.map((suffix) => [path + suffix, inodeOf(path + suffix)] as const)
  return () => {
    for (const [file, inode] of opened) {
      if (inodeOf(file) === inode) continue
      throw new RouteplaneError('store_unavailable', `the ledger ${file} was taken away or replaced while it was in use`, {
        hint: 'Put the very file back, or restart Routeplane on the one that is there now.',
        details: { path: file, reason: 'gone' },
      })
    }
  }
}

function inodeOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev} ${found.ino}`
}

function checkDirectory(path: string): void {
  if (process.platform === 'win32') return
  if ((statSync(path).mode & 0o022) !== 0) {
    throw refused(path, 'the directory of the ledger may be written by others', 'Use a directory of your own with mode 700.')
  }
}

function tighten(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isFile()) throw refused(path, 'the ledger must be a plain file and no link', 'Point the ledger at the file itself.')
  if (process.platform === 'win32') return
  if (!isOurs(found)) throw refused(path, 'the ledger belongs to another user', 'Run as its owner, or choose another state directory.')
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600)
}

function isOurs(found: Stats): boolean {
  return process.getuid === undefined || found.uid === process.getuid()
}

function create(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (cause) {
    // It was there, or another process has just made it.
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
  }
}

function refused(path: string, message: string, hint: string): RouteplaneError {
  return new RouteplaneError('store_unavailable', `${message}: ${path}`, { hint, details: { path } })
}
