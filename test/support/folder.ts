/** A folder of a test's own, gone when its file has been run. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Works at the top of a file, in hooks and in tests alike. */
export function createFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `routeplane-${name}-`))
  made.push(folder)
  return folder
}
