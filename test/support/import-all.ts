/** Run as a program: imports every module of src but the bins, and prints what that left behind as one JSON line. */
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { importsOf, readSources, root } from './sources.ts'

/** What an import may not touch: open handles, global names, signal and exit listeners, the two output streams. */
function snapshot() {
  const listeners = process.eventNames().map((name) => `${String(name)}×${process.listenerCount(name)}`)
  return [...process.getActiveResourcesInfo(), ...Object.getOwnPropertyNames(globalThis).map((name) => `global ${name}`), ...listeners]
}

/** Gives the ids of every exported tuple of objects that have one, by module and export name. */
function tuplesOf(path: string, module: Readonly<Record<string, unknown>>): (readonly [string, readonly string[]])[] {
  return Object.entries(module).flatMap(([name, value]) => {
    if (!Array.isArray(value) || value.length === 0) return []
    const ids = value.map((row: unknown) => (row as { id?: unknown } | null)?.id ?? (row as { name?: unknown } | null)?.name)
    return ids.every((id) => typeof id === 'string') ? [[`${path} ${name}`, ids] as const] : []
  })
}

const written: string[] = []
const write = process.stdout.write.bind(process.stdout)
process.stdout.write = (chunk: string | Uint8Array) => written.push(String(chunk)) > 0

const modules = readSources('src').filter(({ path }) => !path.startsWith('src/bin/'))

// What packages do on import is theirs (zod keeps two globals): they are loaded first, and so is the TypeScript loader.
const imports = modules
  .flatMap(({ text }) => importsOf(text))
  .filter(({ kind, specifier }) => kind === 'static' && !specifier.startsWith('.'))
for (const specifier of new Set(imports.map((found) => found.specifier))) await import(specifier)
await turn()
// Streams of the process come to life at first sight, and the MCP SDK looks at them; zod keeps its registry in a global.
void [process.stdin, process.stderr]
await import('zod')
const before = snapshot()
const tuples: (readonly [string, readonly string[]])[] = []
for (const { path } of modules)
  tuples.push(...tuplesOf(path, (await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>))
await turn()
const left = subtract(snapshot(), before)
write(`${JSON.stringify({ modules: modules.length, left, written, tuples })}\n`)

function subtract(all: readonly string[], known: readonly string[]): string[] {
  const rest = [...known]
  return all.filter((item) => {
    const at = rest.indexOf(item)
    if (at !== -1) rest.splice(at, 1)
    return at === -1
  })
}
