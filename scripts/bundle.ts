/** Bundles the two programs so that starting one reads a few files instead of hundreds, and heavy packages load at first use. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'
import { mergeChunks, type Written } from './merge-chunks.ts'

const root = resolve(fileURLToPath(import.meta.url), '../..')

/** Source and, by the same base name, `dist/bin` file of each program. */
const programs = ['routeplane-mcp', 'routeplane'] as const

/**
 * Packages with a native part: a bundle cannot carry it, so they are loaded from node_modules. And mppx, which asks for packages
 * that nobody here needs, and uses so much of zod that every start would read it. And what is only there where somebody wants it.
 */
const external = ['libsql', 'mppx', '@x402/svm']

/**
 * `jsonc-parser`'s main file asks for its parts in a way that a bundler cannot follow; the same in ES modules is beside it. Those of
 * `yaml`, which it keeps for browsers, can be shaken, and leave out what it would write to stdout when `LOG_STREAM` is set.
 */
const alias = {
  'jsonc-parser': 'jsonc-parser/lib/esm/main.js',
  yaml: join(dirname(createRequire(import.meta.url).resolve('yaml/package.json')), 'browser/index.js'),
}

/**
 * Packages that cost more to load than all of our own start-up (`viem` alone about a quarter of a second) and that no
 * program needs before its first payment or first chain call: behind an `import()`, or the build fails.
 */
const lazyOnly = ['viem', 'ox', 'abitype', '@noble/curves', '@scure/bip32', '@scure/bip39', '@x402/core', '@x402/evm', 'libsql']

/** The MCP SDK imports a validator for servers that name none, a third of what a start reads; ours name `mcp/late-validator.ts`. */
const noDefaultValidator: Plugin = {
  name: 'no default validator',
  setup({ onResolve, onLoad }) {
    const shims = '@modelcontextprotocol/server/_shims'
    onResolve({ filter: new RegExp(`^${shims}$`) }, () => ({ path: shims, namespace: 'shims', sideEffects: false }))
    onLoad({ filter: /./, namespace: 'shims' }, () => ({
      contents: [
        "export { default as process } from 'node:process'",
        "export class DefaultJsonSchemaValidator { constructor() { throw new Error('name a jsonSchemaValidator') } }",
      ].join('\n'),
    }))
  },
}

/**
 * Everything else is bundled, though the library keeps it as dependencies: measured on Node 20 with 2 cores, medians of 9,
 * the MCP server answers `initialize` after 145 ms instead of 182 and `routeplane --help` after 117 instead of 166 (an empty
 * Node is 62). Minifying gained nothing (143 and 124), so stack traces stay readable.
 */
const packages = 'bundle'

const target = 'node20.19'

/** CommonJS packages inside an ES module still call `require` for Node's own modules. */
const banner = "import { createRequire as requireFrom } from 'node:module';const require = requireFrom(import.meta.url);"

/**
 * Writes `dist/bin/<program>.js` with their shared chunks and the notice of everything bundled.
 *
 * @returns one line for each program: the bytes it reads at start.
 * @throws Error when a program is missing or would load one of the heavy packages at start.
 */
export async function bundlePrograms(): Promise<string[]> {
  const entryPoints = programs.map((program) => join(root, `src/bin/${program}.ts`))
  for (const entry of entryPoints) if (!existsSync(entry)) throw new Error(`there is no ${relative(root, entry)} to bundle`)
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir: 'dist/bin',
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target,
    external,
    alias,
    packages,
    banner: { js: banner },
    plugins: [noDefaultValidator],
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
  })
  const started = programs.map((program) => startFiles(metafile, program))
  assertLazy(metafile, new Set(started.flat()))
  assertShaken(metafile, new Set(started.flat()))
  const chunks = startChunks(metafile)
  for (const file of await mergeChunks(metafile, outputFiles, { root, chunks, name: 'start', target })) writeOutput(file)
  writeFileSync(join(root, 'dist/THIRD-PARTY-NOTICES.txt'), noticeOf(metafile))
  return programs.map((program, index) => {
    const files = started[index] ?? []
    const bytes = files.reduce((sum, file) => sum + (metafile.outputs[file]?.bytes ?? 0), 0)
    return `dist/bin/${program}.js: ${Math.round(bytes / 1024)} KiB at start, of them ${chunks.length} chunks in one file`
  })
}

/** Only the programs themselves start with a shebang, their source's own or ours, and may be executed; chunks are imported. */
function writeOutput({ path, text }: Written): void {
  const isProgram = programs.some((program) => path === join(root, `dist/bin/${program}.js`))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, isProgram && !text.startsWith('#!') ? `#!/usr/bin/env node\n${text}` : text)
  if (isProgram) chmodSync(path, 0o755)
}

/**
 * What a program reads to get going: its entry, which only checks the version, then whatever the entry itself imports
 * lazily, each with its static imports.
 */
function startFiles(metafile: Metafile, program: string): string[] {
  const first = (metafile.inputs[`src/bin/${program}.ts`]?.imports ?? []).filter(({ kind }) => kind === 'dynamic-import')
  const entries = [`dist/bin/${program}.js`, ...first.flatMap(({ path }) => outputOf(metafile, path))]
  return [...new Set(entries.flatMap((entry) => staticClosure(metafile, entry)))]
}

/** What every program loads, but for what is to run before the rest is even read. */
function startChunks(metafile: Metafile): string[] {
  const before = new Set(programs.flatMap((program) => staticClosure(metafile, `dist/bin/${program}.js`)))
  const all = programs.map((program) => startFiles(metafile, program).filter((file) => !before.has(file)))
  return (all[0] ?? []).filter((file) => all.every((files) => files.includes(file)))
}

function staticClosure(metafile: Metafile, entry: string): string[] {
  const seen = new Set([entry])
  for (const file of seen) {
    for (const { path, kind, external: isExternal } of metafile.outputs[file]?.imports ?? []) {
      if (kind === 'import-statement' && isExternal !== true) seen.add(path)
    }
  }
  return [...seen]
}

/** `import { z } from 'zod'` takes the whole package, half a megabyte of locales included; `import * as z` takes what is used. */
function assertShaken(metafile: Metafile, files: ReadonlySet<string>): void {
  const inputs = [...files].flatMap((file) => Object.keys(metafile.outputs[file]?.inputs ?? {}))
  const locale = inputs.find((input) => /node_modules\/zod\/.*\/locales\/(?!en\.)/.test(input))
  if (locale !== undefined) throw new Error(`${locale} would be loaded at start: write import * as z from 'zod' everywhere`)
}

function assertLazy(metafile: Metafile, files: ReadonlySet<string>): void {
  for (const file of files) {
    const output = metafile.outputs[file]
    const packages = [
      ...Object.keys(output?.inputs ?? {}).flatMap((input) => packageOf(input) ?? []),
      ...(output?.imports ?? [])
        .filter(({ kind, external: isExternal }) => isExternal === true && kind === 'import-statement')
        .map(({ path }) => path),
    ]
    const heavy = packages.find((name) => lazyOnly.includes(name))
    if (heavy !== undefined) throw new Error(`${heavy} would be loaded at start, through ${file}: import it where it is first used`)
  }
}

/** The chunk that a lazily imported source file became. */
function outputOf(metafile: Metafile, source: string): string[] {
  return Object.keys(metafile.outputs).filter((file) => metafile.outputs[file]?.entryPoint === source)
}

function packageOf(input: string): string | undefined {
  return /(?:^|.*\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]
}

/** Lists every bundled package with its licence text, as most licences ask of copies. */
function noticeOf(metafile: Metafile): string {
  const folders = new Map<string, string>()
  for (const input of Object.keys(metafile.inputs)) {
    const name = packageOf(input)
    if (name !== undefined) folders.set(name, join(root, input.slice(0, input.lastIndexOf(`node_modules/${name}/`)), 'node_modules', name))
  }
  const sections = [...folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, folder]) => sectionOf(name, folder))
  return `The programs in bin/ contain code of these packages.\n\n${sections.join('\n')}`
}

function sectionOf(name: string, folder: string): string {
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string; license?: string }
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(?:\.\w+)?$/i.test(entry))
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  return `== ${name} ${version} (${license ?? 'licence not stated'})\n${text}`
}
