/** Presets that were asked to be kept, in a file of their own: the user's YAML and its comments stay untouched. */
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { makeDirectory } from '../lib/directory.ts'
import { createId } from '../lib/id.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import { formatUsd, parseUsd } from '../money.ts'
import type { Clock } from '../lib/clock.ts'
import { checkPreset, type Preset, type PresetStore } from '../routing/preset.ts'

const FILE = 'presets.json'

/** @returns the kept presets; a file that is not ours to read is an error, none is an empty list. */
export async function loadPresets(directory: string): Promise<readonly Preset[]> {
  const file = join(directory, FILE)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new RouteplaneError('config_invalid', `the presets in ${file} cannot be read (${error.code ?? 'unknown cause'})`, {
      cause: error,
    })
  })
  if (text === undefined) return []
  const rows = tryParseJson(text)
  if (!Array.isArray(rows)) throw new RouteplaneError('config_invalid', `${file} does not hold a list of presets`)
  return rows.map(readPreset)
}

/**
 * Replaces the file whole, so that a crash leaves the old one or the new one.
 *
 * @throws RouteplaneError `store_unavailable` when it cannot be written.
 */
export async function savePresets(directory: string, presets: readonly Preset[], nowMs: number): Promise<void> {
  try {
    await replace(directory, presets, nowMs)
  } catch (cause) {
    const { code = 'unknown cause' } = cause as NodeJS.ErrnoException
    throw new RouteplaneError('store_unavailable', `the presets in ${directory} cannot be written (${code})`, { cause })
  }
}

async function replace(directory: string, presets: readonly Preset[], nowMs: number): Promise<void> {
  makeDirectory(directory, 0o700)
  const file = join(directory, FILE)
  const fresh = join(directory, `${createId('presets', nowMs)}.tmp`)
  const handle = await open(fresh, 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(presets.map(writePreset), undefined, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(fresh, file)
}

function writePreset({ maxCostUsd, ...preset }: Preset): Record<string, unknown> {
  return { ...preset, ...(maxCostUsd === undefined ? {} : { maxCostUsd: formatUsd(maxCostUsd) }) }
}

function readPreset(row: unknown): Preset {
  if (!isRecord(row) || typeof row.name !== 'string') throw new RouteplaneError('config_invalid', `a preset in ${FILE} has no name`)
  const { maxCostUsd, ...rest } = row
  const preset = { ...rest, ...(typeof maxCostUsd === 'string' ? { maxCostUsd: parseUsd(maxCostUsd) } : {}) } as Preset
  checkPreset(preset)
  return preset
}

export type PresetView = {
  list(): readonly Preset[]
  get(name: string): Preset | undefined
  /** Creates or replaces; kept in memory unless `persist`. @throws RouteplaneError `invalid_request`. */
  set(preset: Preset, options: { readonly persist: boolean }): Promise<void>
  /** Takes one out of the store, for good. @returns `false` when the store has none of that name: the config's own stay. */
  delete(name: string): Promise<boolean>
}

export function viewPresets(presets: PresetStore, directory: string, clock: Clock): PresetView {
  return {
    list: () => presets.list(),
    get: (name) => presets.get(name),
    async set(preset, { persist }) {
      presets.set(preset)
      if (!persist) return
      const stored = (await loadPresets(directory)).filter(({ name }) => name !== preset.name)
      await savePresets(directory, [...stored, preset], clock.now())
    },
    async delete(name) {
      const stored = await loadPresets(directory)
      const rest = stored.filter((preset) => preset.name !== name)
      if (rest.length === stored.length) return false
      await savePresets(directory, rest, clock.now())
      presets.delete(name)
      return true
    },
  }
}
