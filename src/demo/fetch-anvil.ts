/** Gets anvil for those who installed the published package, which does not carry 43 MB for a demonstration. */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { findAnvil } from './anvil.ts'

/** The version the tests run on. */
const ANVIL = '@foundry-rs/anvil@1.7.1'
export const ANVIL_MEGABYTES = 43

/**
 * Finds anvil beside us or in `cache`, or installs it there with npm.
 *
 * @returns the directory it is installed in; `undefined` when it is our own.
 * @throws RouteplaneError `config_invalid` when npm cannot get it.
 */
export async function ensureAnvil(cache: string, announce: () => void): Promise<string | undefined> {
  if (isThere()) return undefined
  if (isThere(cache)) return cache
  announce()
  await mkdir(cache, { recursive: true, mode: 0o700 })
  await writeFile(join(cache, 'package.json'), '{ "private": true }\n')
  await npm(['install', '--prefix', cache, '--no-audit', '--no-fund', '--ignore-scripts', '--save-exact', ANVIL], cache)
  findAnvil(cache)
  return cache
}

function isThere(installedIn?: string): boolean {
  try {
    findAnvil(installedIn)
    return true
  } catch {
    return false
  }
}

async function npm(args: readonly string[], directory: string): Promise<void> {
  const child = spawn(process.platform === 'win32' ? 'npm.cmd' : 'npm', [...args], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })
  if (code === 0) return
  throw new RouteplaneError('config_invalid', `npm could not install ${ANVIL}`, {
    hint: 'Look at what npm said, or install it yourself beside routeplane-mcp.',
  })
}
