/** A process that buys without end, three at a time and whole unless told otherwise, and tells each step of each payment, until it is killed. */
import { buy, openBuyer, say } from './buyer.ts'

const [, , , atOnce = '3', how = 'whole'] = process.argv
const routeplane = await openBuyer()
say('ready')

async function buyOn(): Promise<never> {
  for (;;) {
    const { code } = await buy(routeplane, ({ step }) => say(step), how === 'stream')
    say(`ended ${code}`)
  }
}

await Promise.all(Array.from({ length: Number(atOnce) }, buyOn))
