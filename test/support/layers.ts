/** Reads the layer table of AGENTS.md and judges the imports of one source file by it: what is not listed is forbidden. */
import { posix } from 'node:path'
import { importsOf } from './sources.ts'

export type Layer = {
  /** Folder below `src/`, or a file at its top without `.ts`. */
  readonly name: string
  /** Other layers, and whether only their types may be imported. */
  readonly imports: ReadonlyMap<string, 'types' | 'values'>
  readonly packages: readonly { readonly name: string; readonly onlyIn: string | undefined }[]
}

/** Where the ABIs live: beside `src/`, and listed in the table by this name. */
const ABI_FOLDER = 'contracts-abi'

/** @throws Error for a cell it cannot read or a layer that no row describes: a vague rule would be no rule. */
export function parseLayers(markdown: string): Layer[] {
  const rows = markdown
    .slice(markdown.search(/^\| folder +\|/m))
    .split('\n')
    .slice(2)
    .filter((line, index, all) => all.slice(0, index + 1).every((before) => before.startsWith('|')))
  const layers: Layer[] = []
  for (const row of rows) {
    const [folder = '', imports = '', packages = ''] = row
      .split('|')
      .slice(1)
      .map((cell) => cell.trim())
    const name = nameOf(folder)
    layers.push({ name, imports: readImports(imports, layers), packages: readPackages(packages) })
  }
  const known = new Set([...layers.map((layer) => layer.name), ABI_FOLDER])
  for (const layer of layers) {
    for (const name of layer.imports.keys())
      if (!known.has(name)) throw new Error(`AGENTS.md: ${layer.name} may import ${name}, which has no row`)
  }
  return layers
}

function readImports(cell: string, above: readonly Layer[]): Map<string, 'types' | 'values'> {
  if (/^(?:all of the above|everything(?: above)?)$/.test(cell)) {
    return new Map([...above.map((layer) => layer.name), ABI_FOLDER].map((name) => [name, 'values']))
  }
  return new Map(itemsOf(cell).map(({ name, note }) => [nameOf(name), note === 'types' ? 'types' : 'values']))
}

function readPackages(cell: string): Layer['packages'] {
  return itemsOf(cell).map(({ name, note }) => ({ name: name.replaceAll('`', ''), onlyIn: note?.replace(/^only `(.+)`$/, '$1') }))
}

/** Splits `a (note), b` at its commas; a dash alone stands for nothing. */
function itemsOf(cell: string): { name: string; note: string | undefined }[] {
  if (cell === '–') return []
  return cell.split(/,\s*(?![^()]*\))/).map((item) => {
    const match = /^(`?[\w@/.*-]+`?)(?: \(([^()]+)\))?$/.exec(item)
    if (match === null) throw new Error(`AGENTS.md: cannot read ${JSON.stringify(item)} in the layer table`)
    return { name: match[1] ?? '', note: match[2] }
  })
}

function nameOf(cell: string): string {
  return cell.replaceAll('`', '').replace(/\.ts$/, '')
}

/** Gives the layer a file of `src/` or `contracts-abi/` is in. */
export function layerOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return nameOf(top === 'src' ? second : top)
}

/** Gives one line for each import of the file that its layer's row does not list. */
export function forbiddenImports(path: string, text: string, layers: readonly Layer[]): string[] {
  const own = layerOf(path)
  const layer = layers.find(({ name }) => name === own)
  if (layer === undefined && own !== ABI_FOLDER) return [`${path}: the folder ${own} has no row in AGENTS.md's layer table`]
  const complaints: string[] = []
  for (const { specifier, kind, line } of importsOf(text)) {
    if (kind === 'computed') complaints.push(`${path}:${line}: an import of something computed cannot be checked`)
    if (kind === 'computed' || specifier.startsWith('node:')) continue
    const reason = specifier.startsWith('.')
      ? againstLayers(posix.join(posix.dirname(path), specifier), kind === 'type', own, layer)
      : againstPackages(specifier, path, layer)
    if (reason !== undefined) complaints.push(`${path}:${line}: ${specifier}: ${reason}`)
  }
  return complaints
}

function againstLayers(target: string, isType: boolean, own: string, layer: Layer | undefined): string | undefined {
  if (!target.endsWith('.ts') && !target.endsWith('.json')) return 'imports name the file that exists, with its ending'
  if (!target.startsWith('src/') && !target.startsWith(`${ABI_FOLDER}/`)) return 'nothing outside src and contracts-abi is shipped'
  const other = layerOf(target)
  if (other === own) return undefined
  const allowed = layer?.imports.get(other)
  if (allowed === undefined) return `${own} may not import ${other}`
  return allowed === 'types' && !isType ? `${own} may import only types of ${other}` : undefined
}

function againstPackages(specifier: string, path: string, layer: Layer | undefined): string | undefined {
  const rule = layer?.packages.find(({ name }) =>
    name.endsWith('/*') ? specifier.startsWith(name.slice(0, -1)) : `${specifier}/`.startsWith(`${name}/`),
  )
  if (rule === undefined) return `${layer?.name ?? ABI_FOLDER} may not import this package`
  return rule.onlyIn !== undefined && path !== `src/${rule.onlyIn}` ? `only ${rule.onlyIn} may import this package` : undefined
}
