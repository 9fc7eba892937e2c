/** Puts the many small chunks that a program starts with into one file: each file that Node loads costs it about half a millisecond. */
import { basename, dirname, join, relative } from 'node:path'
import { build, type Metafile, type OutputFile, type Plugin } from 'esbuild'

export type MergeOptions = {
  /** What the paths of the metafile are relative to. */
  readonly root: string
  /** The chunks, as the metafile names them: with each also all that it imports, but for what is not to be merged. */
  readonly chunks: readonly string[]
  /** Of the merged file, without its ending. */
  readonly name: string
  readonly target: string
}

export type Written = Pick<OutputFile, 'path' | 'text'>

/**
 * Merges chunks that are always loaded together. A merged chunk's own file stays and passes its names on, so that whoever
 * imports it later need not know.
 *
 * @returns all files as they are to be written.
 */
export async function mergeChunks(metafile: Metafile, files: readonly OutputFile[], options: MergeOptions): Promise<readonly Written[]> {
  const { root, chunks, name } = options
  const texts = new Map(files.map(({ path, text }) => [relative(root, path), text]))
  const namesOf = (chunk: string) => metafile.outputs[chunk]?.exports ?? []
  const lines = chunks.map((chunk, at) => {
    const names = namesOf(chunk).map((each) => `${each} as ${each}_${at}`)
    return `export { ${names.join(', ')} } from './${basename(chunk)}'`
  })
  const folder = join(root, dirname(chunks[0] ?? ''))
  const { outputFiles } = await build({
    stdin: { contents: lines.join('\n'), resolveDir: folder, loader: 'js' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: options.target,
    // What is left of the packages is needed: nothing more may be taken out.
    ignoreAnnotations: true,
    write: false,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [fromMemory(root, folder, new Map(chunks.map((chunk) => [chunk, texts.get(chunk) ?? ''])))],
  })
  const forwards = chunks.map((chunk, at) => {
    const names = namesOf(chunk).map((each) => `${each}_${at} as ${each}`)
    return { path: join(root, chunk), text: `export { ${names.join(', ')} } from './${name}.js'\n` }
  })
  const others = files.filter(({ path }) => !chunks.includes(relative(root, path)))
  return [...others, { path: join(folder, `${name}.js`), text: outputFiles[0]?.text ?? '' }, ...forwards]
}

/** Has the bundler find the chunks, and leave every other import as it stands. */
function fromMemory(root: string, folder: string, texts: ReadonlyMap<string, string>): Plugin {
  return {
    name: 'chunks from memory',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path, kind }) => {
        const file = relative(root, join(folder, path))
        return kind !== 'dynamic-import' && texts.has(file) ? { path: file, namespace: 'chunk' } : { path, external: true }
      })
      onLoad({ filter: /.*/, namespace: 'chunk' }, ({ path }) => ({ contents: texts.get(path) ?? '' }))
    },
  }
}
