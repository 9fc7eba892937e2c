/** Kills paying processes many times more than `npm test` does: the same test, with more rounds and more processes. */
import { spawnSync } from 'node:child_process'

const [rounds = '34', processes = '3'] = process.argv.slice(2)
const { status } = spawnSync('npx', ['vitest', 'run', 'test/chain/gateway-crash.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, ROUTEPLANE_CRASH_ROUNDS: rounds, ROUTEPLANE_CRASH_PROCESSES: processes },
})
process.exitCode = status ?? 1
