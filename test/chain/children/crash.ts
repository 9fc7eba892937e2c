/** A process that buys without end, three at a time unless told how many, and tells each step of each payment, until it is killed. */
import { buy, openBuyer, say } from './buyer.ts'

const routeplane = await openBuyer()
say('ready')

async function buyOn(): Promise<never> {
  for (;;) {
    const { code } = await buy(routeplane, ({ step }) => say(step))
    say(`ended ${code}`)
  }
}

const [, , , atOnce = '3'] = process.argv
await Promise.all(Array.from({ length: Number(atOnce) }, buyOn))
