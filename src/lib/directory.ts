/** Makes directories, and comes to an end where Node's own way does not. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it, each with `mode`; what is there already stays as it is.
 *
 * `mkdir` with `recursive` tries for ever where a parent takes no entries and calls them missing, as `/proc` does.
 *
 * @throws what the system says of the first that cannot be made.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    makeOne(path, mode)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw cause
    makeDirectory(dirname(path), mode)
    makeOne(path, mode)
  }
}

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode })
  } catch (cause) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw cause
  }
}
