/** Builds what is published: the library and its types by the compiler, the two programs by the bundler, into an empty dist. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundlePrograms } from './bundle.ts'

const root = resolve(fileURLToPath(import.meta.url), '../..')

function compile(): void {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the compiler found errors')
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
compile()
for (const line of await bundlePrograms()) process.stderr.write(`${line}\n`)
