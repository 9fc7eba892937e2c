#!/usr/bin/env node
/** Process entry of the MCP server: `routeplane mcp` under a name that `npx` can find. */
import { keepCompiled } from './compile-cache.ts'
import { refuseOldNode } from './node-version.ts'

refuseOldNode()
keepCompiled()
const { runProcess } = await import('../cli/process.ts')
await runProcess(['mcp', ...process.argv.slice(2)])
