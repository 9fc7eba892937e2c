/** A process that buys `count` completions at the same moment, and tells what each came to. */
import { once } from 'node:events'
import { buy, openBuyer, say } from './buyer.ts'

const count = Number(process.argv[3])
const routeplane = await openBuyer()
say('ready')
await once(process.stdin, 'data')
process.stdin.destroy()
await Promise.all(
  Array.from({ length: count }, async () => {
    say(JSON.stringify(await buy(routeplane)))
  }),
)
await routeplane.close()
