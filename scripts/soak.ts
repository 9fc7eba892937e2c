/** Kills paying processes many times more than `npm test` does: the same test with more rounds, and sessions besides. */
import { spawnSync } from 'node:child_process'

const [rounds = '34', processes = '3'] = process.argv.slice(2)
const { status } = spawnSync('npx', ['vitest', 'run', 'test/chain/gateway-crash.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, ROUTEPLANE_CRASH_ROUNDS: rounds, ROUTEPLANE_CRASH_PROCESSES: processes, ROUTEPLANE_CRASH_SESSIONS: 'true' },
})
process.exitCode = status ?? 1
