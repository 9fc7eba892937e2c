/** Measures the contestants in interleaved rounds and prints medians of ratios: `npm run bench -- --help`. */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureColdStart, median, type ColdStart } from './cold-start.ts'
import { contestants, type Contestant } from './contestants.ts'
import { cache, prepareInstruments, runLoad, startMock, type Instruments, type LoadReport } from './instruments.ts'
import { measurePaid, paidTable, type PaidReport } from './paid.ts'
import { canPin, costOf, stop, type Running } from './process.ts'
import { callerPaths, scenarios, type Caller, type Scenario } from './scenarios.ts'

const usage = `npm run bench -- [options]
  --quick              one round of half a second a row: shows that everything runs, proves nothing
  --rounds N           rounds, each with every contestant in a new order (5)
  --seconds S          measured seconds a row, after a third of that as warm-up (3)
  --only A,B           contestants: ${contestants.map(({ id }) => id).join(', ')} (direct is always there)
  --scenarios A,B      rows: ${[...scenarios.map(({ id }) => id), 'cold-start', 'paid'].join(', ')}
  --node               use the Node instruments even where gcc is
`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    scenarios: { type: 'string' },
    node: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const plan = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
  seconds: Number(values.seconds ?? (values.quick ? 0.5 : 3)),
  wants: (list: string | undefined, id: string) => list === undefined || list.split(',').includes(id),
}

const root = resolve(fileURLToPath(import.meta.url), '../..')
const bodies = mkdtempSync(join(tmpdir(), 'routeplane-bench-bodies-'))

type Entrant = { readonly contestant: Contestant; readonly running: Running }
/** What stays the same over all rounds. */
type Stage = {
  readonly instruments: Instruments
  readonly mockPort: number
  readonly entrants: readonly Entrant[]
  readonly figures: Figures
}
type Figures = Map<string, Map<string, number[]>>

function keep(figures: Figures, scenario: string, contestant: string, value: number | undefined): void {
  if (value === undefined) return
  const row = figures.get(scenario) ?? new Map<string, number[]>()
  figures.set(scenario, row.set(contestant, [...(row.get(contestant) ?? []), value]))
}

type Target = {
  readonly who: string
  readonly port: number
  readonly headers: readonly string[]
  readonly caller: Caller
  readonly model: string
}

/** One load against one port. @throws Error when answers were bad: a figure of errors is no figure. */
async function load(instruments: Instruments, scenario: Scenario, target: Target): Promise<LoadReport> {
  const bodyFile = join(bodies, `${scenario.id}-${target.who}.json`)
  writeFileSync(bodyFile, scenario.body(target.model))
  const timing = { warmSeconds: plan.seconds / 3, seconds: plan.seconds }
  const report = await runLoad(instruments, {
    port: target.port,
    path: callerPaths[target.caller],
    bodyFile,
    connections: scenario.connections,
    headers: target.headers,
    ...timing,
  })
  if (report.bad > 0 || report.broken > 0 || report.all_requests + report.all_chunks === 0) {
    throw new Error(
      `${target.who}, ${scenario.id}: ${report.bad} bad answers (last ${report.last_bad_status}), ${report.broken} broken connections`,
    )
  }
  return report
}

/** Starts at another contestant each round, so that nobody is always first or always after the same one. */
function turned<T>(list: readonly T[], by: number): T[] {
  return list.map((_, index) => list[(index + by) % list.length] as T)
}

async function measureRound({ instruments, mockPort, entrants, figures }: Stage, round: number): Promise<void> {
  for (const scenario of scenarios.filter(({ id }) => plan.wants(values.scenarios, id))) {
    const { caller } = scenario
    const direct = await load(instruments, scenario, { who: 'direct', port: mockPort, headers: [], caller: 'chat', model: 'bench-model' })
    keep(figures, scenario.id, 'direct', scenario.read(direct, { direct, cost: undefined }))
    for (const { contestant, running } of turned(entrants, round)) {
      const model = contestant.models[caller]
      if (model === undefined) continue
      const before = costOf(running.child.pid)
      const target = { who: contestant.id, port: running.port, headers: contestant.headers(mockPort), caller, model }
      const report = await load(instruments, scenario, target)
      const after = costOf(running.child.pid)
      const cost = before === undefined || after === undefined ? undefined : { ...after, cpuUs: after.cpuUs - before.cpuUs }
      keep(figures, scenario.id, contestant.id, scenario.read(report, { direct, cost }))
      if (after !== undefined) keep(figures, 'resident', contestant.id, after.residentKiB / 1024)
    }
  }
}

/** Own ÷ the reference's in the same round, then the median: what moves both, cancels out. */
function ratioTo(reference: readonly number[] | undefined, own: readonly number[]): string {
  if (reference === undefined || reference.length !== own.length) return ''
  return ` (${median(own.map((value, round) => value / (reference[round] ?? Number.NaN))).toFixed(2)})`
}

function rounded(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 100 ? 0 : 1)
}

function table(figures: Figures, ids: readonly string[]): string {
  const lines = [`| | unit | ${ids.join(' | ')} |`, `|---|---|${ids.map(() => '---|').join('')}`]
  const rows = [...scenarios, { id: 'resident', name: 'resident memory at the end', unit: 'MiB', reference: 'nginx' }]
  for (const { id, name, unit, reference } of rows) {
    const row = figures.get(id)
    if (row === undefined) continue
    const cells = ids.map((who) => {
      const own = row.get(who)
      return own === undefined
        ? '–'
        : `${rounded(median(own))}${who === reference || who === 'direct' ? '' : ratioTo(row.get(reference), own)}`
    })
    lines.push(`| ${name} | ${unit} | ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}

/** Adds each as soon as it runs, so that whoever has started is stopped even when a later one fails. */
async function startAll(mockPort: number, entrants: Entrant[]): Promise<void> {
  const isNeeded = scenarios.some(({ id }) => plan.wants(values.scenarios, id))
  for (const contestant of contestants.filter(({ id }) => isNeeded && plan.wants(values.only, id))) {
    const start = await contestant.start(mockPort)
    if ('absent' in start) process.stderr.write(`bench: without ${contestant.id}: ${start.absent}\n`)
    else entrants.push({ contestant, running: start })
  }
}

async function coldStart(): Promise<ColdStart | undefined> {
  const program = join(root, 'dist/bin/routeplane-mcp.js')
  const wanted = plan.wants(values.scenarios, 'cold-start') && plan.wants(values.only, 'routeplane')
  if (!wanted || !existsSync(program)) return undefined
  return measureColdStart(program, Math.max(plan.rounds * 3, 3))
}

/** The one row that needs a chain; anvil comes with the packages of development. */
async function paid(mockPort: number): Promise<PaidReport | undefined> {
  const program = join(root, 'dist/bin/routeplane.js')
  const wanted = plan.wants(values.scenarios, 'paid') && plan.wants(values.only, 'routeplane')
  return wanted && existsSync(program) ? measurePaid(program, mockPort, values.quick ? 3 : 40) : undefined
}

/** Prints each part as soon as it is known: what fails later takes nothing with it. */
async function main(): Promise<void> {
  const instruments = prepareInstruments(values.node)
  const mock = await startMock(instruments)
  const figures: Figures = new Map()
  const entrants: Entrant[] = []
  const machine = `Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown CPU'} × ${availableParallelism()}, ${canPin ? 'pinned' : 'not pinned'}, ${instruments.kind} instruments, ${plan.rounds} × ${plan.seconds} s`
  let sold: PaidReport | undefined
  try {
    await startAll(mock.port, entrants)
    for (let round = 0; round < plan.rounds; round++) {
      process.stderr.write(`bench: round ${round + 1} of ${plan.rounds}\n`)
      await measureRound({ instruments, mockPort: mock.port, entrants, figures }, round)
    }
    const ids = ['direct', ...entrants.map(({ contestant }) => contestant.id)]
    if (figures.size > 0)
      process.stdout.write(
        `${machine}\nmedians; in parentheses the median share of nginx's figure in the same round, and in translated rows of llms'\n\n${table(figures, ids)}\n`,
      )
    for (const { running } of entrants) await stop(running)
    sold = await paid(mock.port)
  } finally {
    for (const { running } of entrants) await stop(running)
    await stop(mock)
  }
  if (sold !== undefined) process.stdout.write(`\n${paidTable(sold)}\n`)
  const start = await coldStart()
  if (start !== undefined) {
    process.stdout.write(
      `\nMCP start to tools/list: ${rounded(start.toolsMs)} ms, ${start.ratio.toFixed(2)} × an empty Node (${rounded(start.emptyMs)} ms)\n`,
    )
  }
  const raw = {
    machine,
    sold,
    figures: Object.fromEntries([...figures].map(([id, row]) => [id, Object.fromEntries(row)])),
    coldStart: start,
  }
  writeFileSync(join(cache, 'last.json'), `${JSON.stringify(raw, null, 2)}\n`)
}

if (values.help) process.stdout.write(usage)
else await main()
