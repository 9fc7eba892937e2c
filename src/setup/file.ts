/** Reads and replaces a client's file: whole or not at all, through links, with its mode, and with a copy of the old one beside it. */
import { chmod, copyFile, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { createId } from '../lib/id.ts'

/** No settings file is near this. */
const MAX_BYTES = 32 * 1024 * 1024

/** Where the copy of a file from before our entry is kept. */
export function backupOf(file: string): string {
  return `${file}.routeplane-backup`
}

/** @returns the file's text, or `undefined` when there is none. @throws RouteplaneError `usage` when it cannot be read as text. */
export async function readText(file: string): Promise<string | undefined> {
  try {
    const found = await stat(file)
    if (!found.isFile()) throw refused(file, 'is not a file')
    if (found.size > MAX_BYTES) throw refused(file, `has more than ${MAX_BYTES} bytes`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (cause) {
    if (cause instanceof RouteplaneError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw refused(file, code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read (${code ?? 'unknown cause'})`)
  }
}

/** Replaces the file behind any link, so that a crash leaves the old one or the new one. */
export async function writeText(file: string, text: string, nowMs: number): Promise<void> {
  try {
    makeDirectory(dirname(file))
    const target = await realpath(file).catch(() => file)
    const mode = await stat(target).then(
      (found) => found.mode & 0o777,
      () => 0o600,
    )
    const fresh = `${target}.${createId('setup', nowMs)}.tmp`
    try {
      const handle = await open(fresh, 'wx', mode)
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await chmod(fresh, mode)
      await rename(fresh, target)
    } catch (cause) {
      await rm(fresh, { force: true })
      throw cause
    }
  } catch (cause) {
    throw refused(file, `cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown cause'})`)
  }
}

/** Copies the file beside itself. @returns the copy's path. */
export async function backUp(file: string): Promise<string> {
  const backup = backupOf(file)
  await copyFile(file, backup).catch((cause: unknown) => {
    throw refused(backup, `cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown cause'})`)
  })
  return backup
}

/** Removes a file that may be gone already. */
export async function removeFile(file: string): Promise<void> {
  await rm(file, { force: true })
}

function refused(file: string, what: string): RouteplaneError {
  return new RouteplaneError('usage', `${file} ${what}`, { details: { problem: 'unusable_file' } })
}
