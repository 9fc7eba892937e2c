/** Turns a program into plain JavaScript before it is started many times: compiling half of the repository costs each start a second. */
import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { root } from './sources.ts'

const made = new Map<string, string>()

/**
 * Bundles what of it is ours; packages stay where they are.
 *
 * @param entry - below the repository's root, such as `src/bin/routeplane.ts`.
 * @returns a file as deep below the root as the published programs, which look for package.json and the registry from there.
 */
export function programOf(entry: string): string {
  const known = made.get(entry)
  if (known !== undefined) return known
  const folder = join(root, 'node_modules', '.programs')
  const program = join(folder, `${entry.replaceAll('/', '-').replace(/\.ts$/, '')}.mjs`)
  mkdirSync(folder, { recursive: true })
  // Another worker may start the same program at this moment: it sees the old file or the new one, never half of one.
  const draft = `${program}.${process.pid}`
  const target = { format: 'esm', platform: 'node', target: 'node20.19', packages: 'external' } as const
  buildSync({ entryPoints: [join(root, entry)], outfile: draft, bundle: true, logLevel: 'error', ...target })
  renameSync(draft, program)
  made.set(entry, program)
  return program
}
