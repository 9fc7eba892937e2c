/** A process that buys without end, several at a time, and tells each step of each payment, until it is killed. Run with tsx. */
import { buy, openBuyer, say } from './buyer.ts'

const routeplane = await openBuyer()
say('ready')

async function buyOn(): Promise<never> {
  for (;;) {
    const { code } = await buy(routeplane, ({ step }) => say(step))
    say(`ended ${code}`)
  }
}

await Promise.all([buyOn(), buyOn(), buyOn()])
