/** Builds a registry directory into `providers.json` and `models.json`, byte for byte the same from the same files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord } from '../lib/json.ts'
import { readBuilt, writeBuilt, type Built, type BuiltKind } from './built.ts'
import { MAX_CANONICAL_BYTES } from './canonical.ts'
import { loadRegistryDirectory, type DirectoryOptions } from './directory.ts'
import { manifestInvalid } from './problem.ts'
import { CANONICAL_FILE, providerFile, readRegistryFile, writeWhole } from './registry-files.ts'
import { readRegistryYaml } from './yaml.ts'

export type BuildReport = {
  readonly files: readonly { readonly file: string; readonly changed: boolean }[]
  readonly serial: number
  readonly providers: number
  readonly models: number
}

/**
 * Writes both files into `out`. The serial goes up by one when something changed since the build that is there.
 *
 * @throws RouteplaneError `manifest_invalid` when the directory has problems: a build is never made of half a registry.
 */
export async function buildRegistry(directory: string, out: string, options: DirectoryOptions = {}): Promise<BuildReport> {
  const { definitions, problems } = await loadRegistryDirectory(directory, options)
  const [first, ...rest] = problems
  if (first !== undefined) throw manifestInvalid([first, ...rest], first.file)
  const providers = await Promise.all(
    definitions.map(async ({ provider }) => readRegistryYaml((await readRegistryFile(directory, providerFile(provider.id))) ?? '').value),
  )
  const servedBy = new Map<string, string[]>()
  for (const { provider, models } of definitions) {
    for (const id of new Set(models.map((model) => model.canonicalId ?? model.upstreamModel))) {
      servedBy.set(id, [...(servedBy.get(id) ?? []), provider.id])
    }
  }
  const models = (await canonicalRows(directory)).map((row) => ({ ...row, providers: servedBy.get(String(row['id'])) ?? [] }))
  const before = { providers: await readBefore(out, 'providers'), models: await readBefore(out, 'models') }
  const isSame = isUnchanged('providers', before.providers, providers) && isUnchanged('models', before.models, models)
  const serials = [before.providers, before.models].flatMap((built) => (built === undefined ? [] : [built.serial]))
  const serial = isSame && before.providers !== undefined ? before.providers.serial : Math.max(0, ...serials) + 1
  const files = [
    { file: join(out, 'providers.json'), text: writeBuilt('providers', { serial, rows: providers }) },
    { file: join(out, 'models.json'), text: writeBuilt('models', { serial, rows: models }) },
  ]
  if (!isSame) for (const { file, text } of files) await writeWhole(file, text)
  return {
    files: files.map(({ file }) => ({ file, changed: !isSame })),
    serial,
    providers: providers.length,
    models: models.length,
  }
}

async function canonicalRows(directory: string): Promise<readonly Record<string, unknown>[]> {
  const text = await readRegistryFile(directory, CANONICAL_FILE)
  if (text === undefined) return []
  const { value } = readRegistryYaml(text, { maxBytes: MAX_CANONICAL_BYTES, file: CANONICAL_FILE })
  const models: unknown = isRecord(value) ? value['models'] : undefined
  const rows = Array.isArray(models) ? models.filter(isRecord) : []
  return rows.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
}

/** A build that cannot be read counts as none. */
async function readBefore(out: string, kind: BuiltKind): Promise<Built | undefined> {
  try {
    return readBuilt(kind, await readFile(join(out, `${kind}.json`), 'utf8'))
  } catch {
    return undefined
  }
}

function isUnchanged(kind: BuiltKind, before: Built | undefined, rows: readonly unknown[]): boolean {
  return before !== undefined && writeBuilt(kind, before) === writeBuilt(kind, { serial: before.serial, rows })
}
