/** The rules of AGENTS.md that a machine can hold: layers, names, first sentences, and where the ambient world may be touched. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { forbiddenImports, layerOf, parseLayers } from './support/layers.ts'
import { blank, importsOf, readSources, root, type Source } from './support/sources.ts'

const layers = parseLayers(readFileSync(join(root, 'AGENTS.md'), 'utf8'))
const sources = readSources('src')
const shipped = [...sources, ...readSources('contracts-abi')]

describe('layers', () => {
  test('no file imports what its row does not list', () => {
    expect(shipped.flatMap(({ path, text }) => forbiddenImports(path, text, layers))).toEqual([])
  })

  test('every row of the table is about something that may exist, once', () => {
    const names = layers.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(15)
  })

  // The proof that the check above can fail: each text is put where it does not belong.
  test.each([
    ['src/lib/sse.ts', "import { parseUsd } from '../money.ts'", 'lib may not import money'],
    ['src/completion/part.ts', "import type { Endpoint } from '../registry/endpoint.ts'", 'completion may not import registry'],
    ['src/completion/part.ts', "export * from '../registry/endpoint.ts'", 'completion may not import registry'],
    ['src/gateway/complete.ts', "const app = await import('../http/app.ts')", 'gateway may not import http'],
    ['src/access/api-key.ts', "import { endpointKey } from '../registry/endpoint.ts'", 'access may import only types of registry'],
    ['src/gateway/complete.ts', "import { Agent } from 'undici'", 'only gateway/transport.ts may import this package'],
    ['src/selection/rank.ts', "import * as z from 'zod'", 'selection may not import this package'],
    ['src/ledger/sqlite.ts', "const open = createRequire(import.meta.url)('better-sqlite3')", 'ledger may not import this package'],
    ['src/registry/manifest.ts', "import { getAddress } from 'viem/utils'", 'registry may not import this package'],
    ['src/helpers/money.ts', 'export const one = 1', "has no row in AGENTS.md's layer table"],
    ['src/lib/json.ts', "import { x } from '../../test/support/sources.ts'", 'nothing outside src and contracts-abi is shipped'],
    ['src/lib/json.ts', "import { x } from './clock.js'", 'imports name the file that exists'],
  ])('%s with %s is refused', (path, text, reason) => {
    expect(forbiddenImports(path, text, layers)).toEqual([expect.stringContaining(reason)])
  })

  test.each([
    ['src/access/api-key.ts', "import type { Endpoint } from '../registry/endpoint.ts'"],
    ['src/access/api-key.ts', "import { type Endpoint } from '../registry/endpoint.ts'"],
    ['src/chain/chain.ts', "const { createPublicClient } = await import('viem')"],
    ['src/chain/networks.ts', "import { assets } from '../../contracts-abi/assets.ts'"],
    ['src/ledger/sqlite.ts', "const open = createRequire(import.meta.url)('libsql')"],
    ['src/mcp/server.ts', "import { McpServer } from '@modelcontextprotocol/server'"],
    ['src/lib/id.ts', "import { randomBytes } from 'node:crypto'"],
    ['src/lib/json.ts', "// import { x } from '../money.ts'\n/* import '../money.ts' */"],
  ])('%s with %s is let through', (path, text) => {
    expect(forbiddenImports(path, text, layers)).toEqual([])
  })

  test('a computed import is refused, for nobody can check it; a method of that name is none', () => {
    expect(forbiddenImports('src/lib/json.ts', 'const module = await import(name)', layers)).toEqual([expect.stringContaining('computed')])
    expect(importsOf('keystore.import(key)')).toEqual([])
  })
})

/** A pattern over code without comments and strings, and the only files it may match in. */
type Law = { readonly name: string; readonly pattern: RegExp; readonly except: RegExp; readonly breaks: string }

const nowhere = /^$/

const laws: readonly Law[] = [
  { name: 'JSON.parse only in lib/json.ts', pattern: /\bJSON\s*\.\s*parse\b/, except: /^src\/lib\/json\.ts$/, breaks: 'JSON.parse(text)' },
  {
    name: 'process.env only in config and bin',
    pattern: /\bprocess\s*(?:\.\s*env\b|\[)|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/,
    except: /^src\/(?:config|bin)\//,
    breaks: 'const { env } = process',
  },
  {
    name: 'the time only in lib/clock.ts',
    pattern: /\bDate\s*\.\s*now\b|\bperformance\s*\.\s*now\b|\bnew Date\(\s*\)|\bprocess\s*\.\s*hrtime\b/,
    except: /^src\/lib\/clock\.ts$/,
    breaks: 'const today = new Date()',
  },
  {
    name: 'randomness only in lib/id.ts',
    pattern: /\bMath\s*\.\s*random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b|\bgetRandomValues\b|\bgeneratePrivateKey\b/,
    except: /^src\/lib\/id\.ts$/,
    breaks: 'const nonce = crypto.randomUUID()',
  },
  {
    name: 'no console',
    pattern: /\bconsole\s*\.\s*(?:log|error|warn|info|debug|trace|table)\s*\(/,
    except: nowhere,
    breaks: "console.log('x')",
  },
  { name: 'no let or var at the top of a module', pattern: /^(?:export\s+)?(?:let|var)\s/m, except: nowhere, breaks: 'let count = 1' },
  {
    name: 'unknown is never zero',
    pattern:
      /\b\w*(?:usage|cost|price|tokens|usd|amount)\w*(?:\?\.|\.|\[[^\]]*\]|\([^()]*\)|\w)*\s*(?:\?\?|\|\|)\s*(?:0n?|ZERO_USD)(?![\w.])/i,
    except: nowhere,
    breaks: 'const paid = usage.inputTokens ?? 0',
  },
  {
    name: 'no floats near money',
    pattern: /\bparseFloat\b|\btoFixed\b|\btoPrecision\b/,
    except: nowhere,
    breaks: 'const shown = price.toFixed(2)',
  },
  { name: 'no vague assertions', pattern: /\bas any\b/, except: nowhere, breaks: 'const wire = body as any' },
]

const offenders = ({ pattern, except }: Law, files: readonly Source[]) =>
  files
    .filter(({ path, text }) => !except.test(path) && pattern.test(blank(text, { strings: true })))
    .map(({ path, text }) => `${path}: ${pattern.exec(blank(text, { strings: true }))?.[0] ?? ''}`)

describe('one place for each part of the ambient world', () => {
  test.each(laws)('$name', (law) => {
    expect(offenders(law, shipped)).toEqual([])
  })

  test.each(laws)('$name: the check can fail', (law) => {
    expect(offenders(law, [{ path: 'src/gateway/planted.ts', text: `/** Planted. */\n${law.breaks}\n` }])).toHaveLength(1)
    expect(
      offenders(law, [{ path: 'src/gateway/planted.ts', text: `/** ${law.breaks} */\n// ${law.breaks}\nexport const one = 1\n` }]),
    ).toEqual([])
  })
})

describe('money', () => {
  test('no exported function of money.ts takes or gives a float', () => {
    const code = blank(readFileSync(join(root, 'src/money.ts'), 'utf8'), { strings: false })
    const signatures = [...code.matchAll(/^export function [^{]+/gm)].map(([signature]) => signature)
    expect(signatures.length).toBeGreaterThan(5)
    expect(signatures.filter((signature) => /\bnumber\b/.test(signature.replaceAll('decimals: number', '')))).toEqual([])
  })
})

describe('files', () => {
  const banned = [
    'utils',
    'util',
    'helpers',
    'helper',
    'common',
    'misc',
    'manager',
    'service',
    'handler',
    'processor',
    'data',
    'info',
    'types',
  ]

  test('each opens with one sentence that says what it is', () => {
    const vague = shipped.filter(({ text }) => !/^(?:#!.*\n)?\/\*\* [A-Z`a-z0-9].{8,}[.!?] \*\/\n/.test(text))
    expect(vague.map(({ path, text }) => `${path}: ${text.split('\n', 1)[0] ?? ''}`)).toEqual([])
  })

  test('none has a name that says nothing, and all are kebab-case', () => {
    const bad = shipped.filter(({ path }) => {
      const parts = path.replace(/\.ts$/, '').split('/')
      return parts.some((part) => part.split('-').some((word) => banned.includes(word)) || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(part))
    })
    expect(bad.map(({ path }) => path)).toEqual([])
  })

  test('none exports a type or class with such a name', () => {
    const vague = new RegExp(
      `\\bexport (?:type|class|interface) (?:\\w*(?:Manager|Service|Handler|Processor|Helper|Utils?)|Data|Info|Types|Misc|Common)\\b`,
    )
    expect(shipped.filter(({ text }) => vague.test(blank(text, { strings: true }))).map(({ path }) => path)).toEqual([])
  })

  test('every folder has a row', () => {
    const names = new Set(layers.map(({ name }) => name))
    expect([...new Set(sources.map(({ path }) => layerOf(path)))].filter((name) => !names.has(name))).toEqual([])
  })
})

describe('importing', () => {
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'test/support/import-all.ts')], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  })
  const report = () => JSON.parse(child.stdout) as { modules: number; left: string[]; written: string[]; tuples: [string, string[]][] }

  test('every module leaves no handle, listener or global behind, prints nothing, and lets the process end', () => {
    expect(child.stderr).toBe('')
    expect(child.status).toBe(0)
    expect(report()).toMatchObject({ left: [], written: [], modules: sources.filter(({ path }) => !path.startsWith('src/bin/')).length })
  })

  test('the ids of every exported tuple are unique', () => {
    expect(report().tuples.filter(([, ids]) => new Set(ids).size !== ids.length)).toEqual([])
  })
})
