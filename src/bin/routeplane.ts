#!/usr/bin/env node
/** Process entry of the command line. */
import { keepCompiled } from './compile-cache.ts'
import { refuseOldNode } from './node-version.ts'

refuseOldNode()
keepCompiled()
const { runProcess } = await import('../cli/process.ts')
await runProcess(process.argv.slice(2))
