/** Turns a program into plain JavaScript before it is started many times: compiling half of the repository costs each start a second. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import { root } from './sources.ts'

const made = new Map<string, string>()

/**
 * Bundles what of it is ours; packages stay where they are. What it imports when it needs it stays in files of its own, as in the
 * published programs: a start that read every package would take five times as long.
 *
 * @param entry - below the repository's root, such as `src/bin/routeplane.ts`.
 * @returns a file as deep below the root as the published programs, which look for package.json and the registry from there.
 */
export function programOf(entry: string): string {
  const known = made.get(entry)
  if (known !== undefined) return known
  const folder = join(root, 'node_modules', '.programs')
  const name = entry.replaceAll('/', '-').replace(/\.ts$/, '')
  const target = { format: 'esm', platform: 'node', target: 'node20.19', packages: 'external', logLevel: 'error' } as const
  const { outputFiles } = buildSync({
    ...target,
    entryPoints: [{ in: join(root, entry), out: name }],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    write: false,
  })
  const program = join(folder, `${name}.mjs`)
  // The parts first: whoever sees the program finds all that it imports.
  for (const { path, contents } of outputFiles.toSorted((a, b) => Number(a.path === program) - Number(b.path === program)))
    writeWhole(path, contents)
  made.set(entry, program)
  return program
}

/** Another worker may start the same program at this moment: it sees the old file or the new one, never half of one. */
function writeWhole(path: string, contents: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, contents)
  renameSync(draft, path)
}
