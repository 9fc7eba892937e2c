/** Changes a file of a registry: the directory is checked as it would be, and then the file is written whole, or not at all. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadRegistryDirectory, type DirectoryOptions, type FileProblem } from './directory.ts'
import { manifestInvalid } from './problem.ts'
import { readRegistryFile, writeWhole } from './registry-files.ts'

/**
 * Writes one file, or takes it away with `undefined`, after the whole directory has been checked as it would then be. Problems
 * that were there before do not stand in the way; a new one does, and nothing is written.
 *
 * @returns whether anything changed.
 * @throws RouteplaneError `manifest_invalid` with the new problems.
 */
export async function commitRegistryFile(
  directory: string,
  file: string,
  text: string | undefined,
  options: Pick<DirectoryOptions, 'allowLoopback'> = {},
): Promise<boolean> {
  const before = await readRegistryFile(directory, file)
  if (before === text) return false
  const known = new Set((await loadRegistryDirectory(directory, options)).problems.map(nameOf))
  const { problems } = await loadRegistryDirectory(directory, { ...options, overlay: new Map([[file, text]]) })
  const [first, ...rest] = problems.filter((problem) => problem.file === file || !known.has(nameOf(problem)))
  if (first !== undefined) throw manifestInvalid([first, ...rest], first.file)
  if (text === undefined) await rm(join(directory, file), { force: true })
  else await writeWhole(join(directory, file), text)
  return true
}

/** Lines move with an edit, so a problem is the same wherever it now stands. */
function nameOf({ file, code, path, message }: FileProblem): string {
  return [file, code, path, message].join('\n')
}
