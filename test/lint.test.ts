/** Every lint rule we rely on is proven by planting what it forbids: a misspelt or renamed rule would pass in silence. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from './support/sources.ts'

const lines = (count: number, line: string) => Array.from({ length: count }, (_, index) => line.replaceAll('#', String(index))).join('\n')

/** Each row: the rule as oxlint prints it, a file, and the text that must trip it. */
const plants: readonly (readonly [rule: string, file: string, text: string])[] = [
  ['typescript(no-floating-promises)', 'src/a/floating.ts', 'async function send() {}\nexport function run() {\n  send()\n}\n'],
  [
    'typescript(no-misused-promises)',
    'src/a/misused.ts',
    'export function run(send: () => Promise<boolean>) {\n  if (send()) return 1\n  return 2\n}\n',
  ],
  ['typescript(await-thenable)', 'src/a/thenable.ts', 'export async function run(value: number) {\n  await value\n}\n'],
  [
    'typescript(switch-exhaustiveness-check)',
    'src/a/switch.ts',
    "export function run(kind: 'a' | 'b') {\n  switch (kind) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n",
  ],
  ['typescript(no-explicit-any)', 'src/a/any.ts', 'export const value: any = 1\n'],
  ['typescript(no-non-null-assertion)', 'src/a/bang.ts', 'export const first = (list: string[]) => list[0]!\n'],
  ['typescript(ban-ts-comment)', 'src/a/ignore.ts', '// @ts-ignore\nexport const value: string = 1\n'],
  ['typescript(consistent-type-imports)', 'src/a/types-only.ts', "import { Kind } from './kind.ts'\nexport const kind: Kind = 1\n"],
  ['typescript(only-throw-error)', 'src/a/throws.ts', "export function run() {\n  throw 'text'\n}\n"],
  ['eslint(no-console)', 'src/a/prints.ts', 'console.log(1)\nexport {}\n'],
  ['eslint(eqeqeq)', 'src/a/equal.ts', 'export const same = (a: number, b: number) => a == b\n'],
  ['eslint(no-empty)', 'src/a/swallow.ts', 'export function run() {\n  try {\n    run()\n  } catch {}\n}\n'],
  ['node(no-process-env)', 'src/a/environment.ts', "export const home = process.env['HOME']\n"],
  ["'Date.now' is restricted", 'src/a/time.ts', 'export const now = () => Date.now()\n'],
  ["'performance.now' is restricted", 'src/a/monotonic.ts', 'export const now = () => performance.now()\n'],
  ["'Math.random' is restricted", 'src/a/dice.ts', 'export const dice = () => Math.random()\n'],
  ["'JSON.parse' is restricted", 'src/a/parse.ts', 'export const read = (text: string): unknown => JSON.parse(text)\n'],
  [
    'import(no-cycle)',
    'src/a/cycle.ts',
    "import { other } from './cycle-other.ts'\nexport const value = 1\nexport const sum = () => other() + 1\n",
  ],
  ['import(no-default-export)', 'src/a/default.ts', 'export default 1\n'],
  ['unicorn(filename-case)', 'src/a/NotKebab.ts', 'export const value = 1\n'],
  ['eslint(max-lines)', 'src/a/long.ts', lines(301, 'export const value# = #')],
  ['eslint(max-lines)', 'src/protocol/x/schema.ts', lines(401, 'export const value# = #')],
  [
    'eslint(max-lines-per-function)',
    'src/a/long-function.ts',
    `export function run(list: number[]) {\n${lines(120, '  list.push(#)')}\n}\n`,
  ],
  [
    'eslint(max-params)',
    'src/a/many.ts',
    `export const sum = (${lines(9, 'a#: number,')}) => a0
`,
  ],
  [
    'eslint(max-depth)',
    'src/a/deep.ts',
    'export function run(a: boolean) {\n  if (a) {\n    if (!a) {\n      while (a) {\n        if (a) return 1\n      }\n    }\n  }\n  return 2\n}\n',
  ],
  ['eslint(complexity)', 'src/a/branchy.ts', `export function run(a: number) {\n${lines(40, '  if (a === #) return #')}\n  return 0\n}\n`],
]

/** What the same rules must let through. */
const allowed: readonly (readonly [file: string, text: string])[] = [
  ['src/a/kind.ts', 'export type Kind = number\n'],
  ['src/a/cycle-other.ts', "import { value } from './cycle.ts'\nexport const other = () => value\n"],
  ['src/protocol/x/stream.ts', lines(390, 'export const value# = #')],
  ['src/config/environment.ts', "export const home = process.env['HOME']\n"],
  ['src/lib/clock.ts', 'export const now = () => Date.now()\n'],
  ['src/lib/json.ts', 'export const read = (text: string): unknown => JSON.parse(text)\n'],
  ['src/a/part.ts', "import type { Turn } from './turn.ts'\nexport type Part = { readonly turn?: Turn }\n"],
  ['src/a/turn.ts', "import type { Part } from './part.ts'\nexport type Turn = { readonly part?: Part }\n"],
  ['test/long.test.ts', lines(400, 'export const value# = #')],
]

const folder = mkdtempSync(join(tmpdir(), 'routeplane-lint-'))
const expectedClean = allowed.map(([file]) => file).filter((file) => file !== 'src/a/cycle-other.ts')
let found: readonly string[] = []

beforeAll(() => {
  cpSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { strict: true, module: 'nodenext', allowImportingTsExtensions: true, noEmit: true } }),
  )
  for (const [file, text] of [...plants.map(([, file, text]) => [file, text] as const), ...allowed]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const find = createRequire(import.meta.url).resolve
  const oxlint = join(dirname(find('oxlint/package.json')), 'bin/oxlint')
  // The type-aware half is a program of its own, looked for in node_modules unless it is named.
  const tsgolint = join(dirname(find('oxlint-tsgolint/package.json')), 'bin/tsgolint.js')
  const run = spawnSync(process.execPath, [oxlint, '--type-aware', '-f', 'unix'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, OXLINT_TSGOLINT_PATH: tsgolint },
  })
  found = run.stdout.split('\n')
  expect(run.stderr).toBe('')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(plants)('%s is reported in %s', (rule, file) => {
  expect(found.filter((line) => line.startsWith(`${file}:`) && line.includes(rule))).not.toEqual([])
})

test.each(expectedClean)('%s is let through', (file) => {
  expect(found.filter((line) => line.startsWith(`${file}:`))).toEqual([])
})
