/** The files of a registry directory: their names, and reading and writing them whole. */
import { lstat, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { createId } from '../lib/id.ts'
import { providerIdProblem } from './model-id.ts'
import { nearestWords } from './nearest.ts'

/** The name of a provider's file below the directory. @throws RouteplaneError `usage` for what is no provider's id. */
export function providerFile(id: string): string {
  const problem = providerIdProblem(id)
  if (problem === undefined) return `providers/${id}.yaml`
  throw new RouteplaneError('usage', `the id ${JSON.stringify(id.slice(0, 80))} ${problem}`, { details: { problem: 'invalid_id' } })
}

export const CANONICAL_FILE = 'canonical.yaml'

/** @returns `undefined` when there is no such file. @throws RouteplaneError `manifest_invalid` for a link or a folder in its place. */
export async function readRegistryFile(directory: string, file: string): Promise<string | undefined> {
  const found = await lstat(join(directory, file)).catch(() => undefined)
  if (found === undefined) return undefined
  if (!found.isFile()) throw new RouteplaneError('manifest_invalid', `${file} is not a regular file`)
  return readFile(join(directory, file), 'utf8')
}

/** The text of a provider's file. @throws RouteplaneError `usage` with the nearest ids when there is none. */
export async function readProviderFile(directory: string, id: string, known: readonly string[]): Promise<string> {
  const text = await readRegistryFile(directory, providerFile(id))
  if (text !== undefined) return text
  const nearest = nearestWords(id, known, 3)
  throw new RouteplaneError('usage', `there is no provider ${JSON.stringify(id)} in this registry`, {
    details: { problem: 'unknown_provider', nearest },
    ...(nearest.length === 0 ? {} : { hint: `Did you mean ${nearest.join(' or ')}?` }),
  })
}

/** Replaces a file in one step, so that a crash leaves the old one or the new one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  makeDirectory(dirname(path))
  const fresh = join(dirname(path), `.${createId('registry', 0)}.tmp`)
  try {
    const handle = await open(fresh, 'wx', 0o644)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, path)
  } catch (cause) {
    await rm(fresh, { force: true })
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown cause'
    throw new RouteplaneError('usage', `${path} cannot be written (${code})`, { details: { problem: 'unwritable_file' }, cause })
  }
}
