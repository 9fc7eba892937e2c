/** The version of this package, read from the package.json beside it. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isRecord, tryParseJson } from '../lib/json.ts'

/** The nearest package.json above: two levels up in `src/cli`, three in `dist/src/cli`, two in a bundle in `dist/bin`. */
const CANDIDATES = ['../../package.json', '../../../package.json', '../package.json']

/** @returns `unknown` when the package was taken apart. */
export function readVersion(): string {
  for (const candidate of CANDIDATES) {
    const found = versionIn(fileURLToPath(new URL(candidate, import.meta.url)))
    if (found !== undefined) return found
  }
  return 'unknown'
}

function versionIn(file: string): string | undefined {
  try {
    const manifest = tryParseJson(readFileSync(file, 'utf8'))
    if (!isRecord(manifest) || manifest['name'] !== 'routeplane-mcp') return undefined
    return typeof manifest['version'] === 'string' ? manifest['version'] : undefined
  } catch {
    return undefined
  }
}
