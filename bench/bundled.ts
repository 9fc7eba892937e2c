/** Runs a TypeScript program of the bench as the bundler writes it, which is how the product itself is published. */
import { spawnSync } from 'node:child_process'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

/**
 * Bundles the calling program and runs it in a process of its own, with the garbage collector at hand.
 *
 * @param url - `import.meta.url` of the caller.
 * @returns `false` in the bundled process, which is the one that does the work.
 * @throws Error when that process fails.
 */
export function runBundled(url: string): boolean {
  const file = fileURLToPath(url)
  if (file.endsWith('.mjs')) return false
  const outfile = join(dirname(file), '.cache', basename(file).replace(/\.ts$/, '.mjs'))
  buildSync({ entryPoints: [file], outfile, bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'warning' })
  const { status } = spawnSync(process.execPath, ['--expose-gc', outfile, ...process.argv.slice(2)], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${basename(file)} ended with ${status ?? 'a signal'}`)
  return true
}
