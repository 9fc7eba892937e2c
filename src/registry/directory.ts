/** Loads a registry directory (`canonical.yaml`, `providers/<id>.yaml`) the way its own checks do: every problem, no guesses. */
import { lstat, opendir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createCanonicalIndex, MAX_CANONICAL_BYTES, parseCanonical, type CanonicalIndex } from './canonical.ts'
import { parseManifest } from './manifest.ts'
import type { ProviderDefinition } from './model-row.ts'
import { createProblem, problemsOf, type Problem } from './problem.ts'
import { MAX_YAML_BYTES } from './yaml.ts'

export const MAX_PROVIDERS = 5_000

export type FileProblem = Problem & { readonly file: string }

export type RegistryDirectory = {
  readonly canonical: CanonicalIndex
  /** Only what has no problem, in the order of their ids. */
  readonly definitions: readonly ProviderDefinition[]
  readonly problems: readonly FileProblem[]
}

export type DirectoryOptions = {
  /** Whether manifests may point at this machine: for tests and a demo network. */
  readonly allowLoopback?: boolean
  /** Texts that stand for files, by name below the directory: how it would be after a change. `undefined` stands for no file. */
  readonly overlay?: ReadonlyMap<string, string | undefined>
}

/**
 * Reads a registry from disk. A file with a problem is left out and the others stay; `registry validate` shows `problems`.
 *
 * Beyond each file's own rules: the name of a file is its id, every model names a canonical one (when there is a vocabulary),
 * and an active provider serves at least one model.
 */
export async function loadRegistryDirectory(path: string, options: DirectoryOptions = {}): Promise<RegistryDirectory> {
  const problems: FileProblem[] = []
  const report = (file: string, found: readonly Problem[]) => void problems.push(...found.map((problem) => ({ ...problem, file })))
  const canonical = await loadCanonical(path, options, report)
  const definitions: ProviderDefinition[] = []
  for (const file of await listManifests(path, options, report)) {
    const definition = await loadManifest(path, file, options, report)
    if (definition === undefined) continue
    const found = judgeDefinition(definition, canonical)
    report(file, found)
    if (found.length === 0) definitions.push(definition)
  }
  return { canonical: canonical ?? createCanonicalIndex([]), definitions, problems }
}

type Report = (file: string, found: readonly Problem[]) => void

/** @returns `undefined` when there is no vocabulary to check references against. */
async function loadCanonical(path: string, options: DirectoryOptions, report: Report): Promise<CanonicalIndex | undefined> {
  const file = 'canonical.yaml'
  const text = await readText(path, file, { ...options, maxBytes: MAX_CANONICAL_BYTES }, report)
  if (text === undefined) return undefined
  try {
    return parseCanonical(text, file)
  } catch (error) {
    report(file, problemsOf(error))
    return undefined
  }
}

/** Stops listing at the limit, so that a folder of a million files costs no more than one of five thousand. */
async function listManifests(path: string, { overlay }: DirectoryOptions, report: Report): Promise<readonly string[]> {
  const changed = [...(overlay ?? [])].filter(([file]) => file.startsWith('providers/'))
  const files = changed.flatMap(([file, text]) => (text === undefined ? [] : [file]))
  const folder = await opendir(join(path, 'providers')).catch(() => undefined)
  if (folder === undefined) {
    if (files.length === 0) report('providers', [createProblem('folder_missing', 'there is no folder named providers')])
    return files.toSorted()
  }
  for await (const entry of folder) {
    if (entry.name.startsWith('.')) continue
    const file = `providers/${entry.name}`
    if (overlay?.has(file) === true) continue
    if (!entry.name.endsWith('.yaml')) report(file, [createProblem('file_name', 'a manifest is named <id>.yaml')])
    else files.push(file)
    if (files.length > MAX_PROVIDERS) {
      report('providers', [createProblem('too_many_providers', `there are more than ${MAX_PROVIDERS} files; none is read`)])
      return []
    }
  }
  return files.toSorted()
}

async function loadManifest(
  path: string,
  file: string,
  options: DirectoryOptions,
  report: Report,
): Promise<ProviderDefinition | undefined> {
  const text = await readText(path, file, { ...options, maxBytes: MAX_YAML_BYTES }, report)
  if (text === undefined) return undefined
  try {
    return await parseManifest(text, { ...options, file, expectedId: basename(file, '.yaml') })
  } catch (error) {
    report(file, problemsOf(error))
    return undefined
  }
}

async function readText(
  path: string,
  file: string,
  { overlay, maxBytes }: DirectoryOptions & { readonly maxBytes: number },
  report: Report,
): Promise<string | undefined> {
  if (overlay?.has(file) === true) return overlay.get(file)
  return readBounded(join(path, file), maxBytes, (problem) => report(file, [problem]))
}

/** A link is not followed: it could name any file of the machine, whose first line an error would then show. */
async function readBounded(path: string, maxBytes: number, report: (problem: Problem) => void): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return undefined
  if (!found.isFile()) report(createProblem('not_a_file', 'this is not a regular file'))
  else if (found.size > maxBytes) report(createProblem('file_too_large', `the file has ${found.size} bytes; at most ${maxBytes} are read`))
  else {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    } catch {
      report(createProblem('unreadable', 'the file cannot be read as UTF-8 text'))
    }
  }
  return undefined
}

/** What a provider's file may not say beside a vocabulary: models nobody knows, and no models at all. */
export function judgeDefinition({ provider, models }: ProviderDefinition, canonical: CanonicalIndex | undefined): readonly Problem[] {
  const problems = models.flatMap((model, index) => {
    const id = model.canonicalId ?? model.upstreamModel
    if (canonical === undefined || canonical.models.has(id)) return []
    return [createProblem('unknown_canonical', `${id} is not in canonical.yaml`, ['models', index, 'id'])]
  })
  if (provider.status === 'active' && models.length === 0 && provider.modelsUrl === undefined) {
    problems.push(createProblem('no_models', 'an active provider lists at least one model, or has a models_url'))
  }
  return problems
}
