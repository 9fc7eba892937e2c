#!/usr/bin/env node
/** Process entry of the command line. */
import { refuseOldNode } from './node-version.ts'

refuseOldNode()
const { runProcess } = await import('../cli/process.ts')
await runProcess(process.argv.slice(2))
