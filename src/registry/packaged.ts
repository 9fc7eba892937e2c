/** Finds the registry that comes with the package, so that a key in the environment is enough to route by model names. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Above this file: two levels in the sources, three in `dist/src` and in a chunk of a bundle, two in a bundle. */
const CANDIDATES = ['../../registry/', '../../../registry/', '../registry/']

/** @returns `undefined` when the package was taken apart. */
export function packagedRegistry(): string | undefined {
  const folders = CANDIDATES.map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)))
  return folders.find((folder) => existsSync(`${folder}canonical.yaml`))
}
