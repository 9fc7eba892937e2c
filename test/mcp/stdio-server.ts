/** The process that the stdio suites talk to: what the bin does, over the scripted gateway, with a module that prints. */
import { captureStdout } from '../../src/mcp/capture-stdout.ts'

const stdout = captureStdout()
console.log('a dependency prints while it loads')
console.table([{ printed: true }])
const { serveMcpStdio } = await import('../../src/mcp/stdio.ts')
const { createLog } = await import('../../src/lib/log.ts')
const { createGateway } = await import('./gateway.ts')

const log = createLog('debug', (line) => void process.stderr.write(line), Date.now)
const gateway = createGateway(() => {
  console.log('a dependency prints while it works')
  process.stdout.write('and not even through the console\n')
})
const code = await serveMcpStdio(async () => gateway, { stdout, version: '1.2.3', log, drainMs: 5_000 })
await gateway.close()
process.exit(code)
