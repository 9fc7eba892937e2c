/** Every example is a program that proves itself: its exit code is the verdict. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root } from './support/sources.ts'

const examples = readdirSync(join(root, 'examples')).filter((name) => existsSync(join(root, 'examples', name, 'index.ts')))

test.each(examples)('%s ends with 0', { timeout: 120_000 }, async (name) => {
  const run = promisify(execFile)(process.execPath, ['--import', 'tsx', join('examples', name, 'index.ts')], { cwd: root })
  await expect(run).resolves.toMatchObject({ stderr: '' })
})
