/** Fetches coding agents from npm, outside of the package: they are large, and nobody but this suite runs them. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Agent } from './agents.ts'

const run = promisify(execFile)
const FETCH_MS = 60_000
/** Goes with the checkout's own packages. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/routeplane-agents', import.meta.url))

/**
 * Fetches an exact version of a package into a cache; a second call finds it there.
 *
 * @returns the folder it is installed in, or `undefined` when the registry does not answer.
 */
export async function installedFolder({ package: name, version }: Pick<Agent, 'package' | 'version'>): Promise<string | undefined> {
  const folder = join(CACHE, `${name.replaceAll('/', '-')}-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(CACHE, { recursive: true })
  const fresh = mkdtempSync(join(CACHE, 'fetching-'))
  writeFileSync(join(fresh, 'package.json'), '{ "private": true }')
  try {
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', '--fetch-retries=0']
    await run('npm', ['install', ...flags, `${name}@${version}`], { cwd: fresh, timeout: FETCH_MS })
    // Another run may have been faster; what it has put there is the same.
    if (!existsSync(folder)) renameSync(fresh, folder)
    return folder
  } catch {
    return undefined
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}
