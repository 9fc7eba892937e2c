/** Runs the provider on port 4400 until Ctrl-C. */
import { startProvider } from './provider.ts'

const { url } = await startProvider()
process.stdout.write(`Tiny AI sells its parrot at ${url}; the key is "parrot".\n`)
