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

/** Several hundred megabytes are nobody's idea of a first `npm test`: only who must be complete, or asks for them, waits for them. */
const mayFetch = process.env['CI'] !== undefined || process.env['ROUTEPLANE_TEST_AGENTS'] === '1'

/**
 * Finds an exact version of a package in the cache, or fetches it there where that is wanted.
 *
 * @returns the folder it is installed in, or `undefined` when it is not there, or the registry does not answer.
 */
export async function installedFolder({ package: name, version }: Pick<Agent, 'package' | 'version'>): Promise<string | undefined> {
  const folder = join(CACHE, `${name.replaceAll('/', '-')}-${version}`)
  if (existsSync(folder)) return folder
  if (!mayFetch) return undefined
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
