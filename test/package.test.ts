/** The package as a stranger gets it: what the tarball holds, what the judges of packages say, and that its programs run. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listFiles, root } from './support/sources.ts'
import { verifies } from './support/verifies.ts'

type PackedFile = { readonly path: string; readonly size: number; readonly mode: number }
type Packed = { readonly filename: string; readonly size: number; readonly unpackedSize: number; readonly files: readonly PackedFile[] }

const folder = mkdtempSync(join(tmpdir(), 'routeplane-package-'))
const programs = ['routeplane-mcp', 'routeplane']
let packed: Packed
let tarball: string

beforeAll(() => {
  const missing = programs.filter((program) => !existsSync(join(root, `dist/bin/${program}.js`)))
  if (missing.length > 0) throw new Error(`dist has no ${missing.join(' and no ')}: run \`npm run build\` first, as \`npm test\` does`)
  // Scripts are off because prepack would build again.
  const printed = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
  const [first] = JSON.parse(printed) as Packed[]
  if (first === undefined) throw new Error(`npm pack printed no package: ${printed}`)
  packed = first
  tarball = join(folder, packed.filename)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    timeout: 240_000,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  })
}

describe('the tarball', () => {
  test('holds the build, the registry, the starter config and the texts, and nothing else', () => {
    const allowed =
      /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|routeplane\.yaml|server\.json|skills\/routeplane\/SKILL\.md|registry\/.+\.(?:yaml|md)|dist\/(?:src|contracts-abi)\/.+\.(?:js|d\.ts)|dist\/bin\/(?:chunks\/)?[\w.-]+\.js|dist\/THIRD-PARTY-NOTICES\.txt)$/
    expect(packed.files.map(({ path }) => path).filter((path) => !allowed.test(path))).toEqual([])
    const names = new Set(packed.files.map(({ path }) => path))
    const needed = [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'routeplane.yaml',
      'server.json',
      'skills/routeplane/SKILL.md',
      'dist/src/index.js',
      'dist/src/index.d.ts',
      'dist/THIRD-PARTY-NOTICES.txt',
    ]
    expect([...needed, ...programs.map((program) => `dist/bin/${program}.js`)].filter((path) => !names.has(path))).toEqual([])
  })

  test('has no test, no source map and no file of ours that only development needs', () => {
    expect(
      packed.files.map(({ path }) => path).filter((path) => /\.(?:test|spec|map)\b|(?:^|\/)(?:test|bench|scripts|fixtures)\//.test(path)),
    ).toEqual([])
  })

  test('names no folder of the machine it was built on', () => {
    const places = [root, homedir(), tmpdir()].filter((place) => place.length > 1).map((place) => `${place}/`)
    const texts = listFiles('dist', ['.js', '.ts', '.txt']).map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    expect(
      texts.filter(({ text }) => places.some((place) => text.includes(place)) || text.includes('sourceMappingURL')).map(({ path }) => path),
    ).toEqual([])
  })

  test('stays small, and no single file is a surprise', () => {
    expect(packed.size).toBeLessThan(3_000_000)
    expect(packed.unpackedSize).toBeLessThan(12_000_000)
    expect(packed.files.filter(({ size }) => size > 3_000_000)).toEqual([])
  })

  test('starts its programs with a shebang and lets them be executed', () => {
    for (const program of programs) {
      const path = `dist/bin/${program}.js`
      const lines = readFileSync(join(root, path), 'utf8').split('\n')
      expect(lines.flatMap((line, index) => (line.startsWith('#!') ? [`${index}: ${line}`] : []))).toEqual(['0: #!/usr/bin/env node'])
      expect(statSync(join(root, path)).mode & 0o111).toBe(0o111)
    }
  })

  test('prints nothing of its YAML parser when a variable of other tools asks for streams to be logged', () => {
    writeFileSync(join(folder, 'folded.yaml'), 'listen: >-\n  127.0.0.1:4356\nskip_auth: true\n')
    const program = join(root, 'dist/bin/routeplane.js')
    const { stdout } = spawnSync(process.execPath, [program, 'config', 'check', '-c', 'folded.yaml'], {
      cwd: folder,
      env: { HOME: folder, LOG_STREAM: '1', LOG_TOKENS: '1' },
      encoding: 'utf8',
    })
    expect(stdout.split('\n')[0]).toMatch(/folded\.yaml is valid\.$/)
  })

  test('satisfies publint', async () => {
    const { messages, pkg } = await publint({ strict: true, pack: { tarball: exactBuffer(readFileSync(tarball)) } })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  test('satisfies attw as a package of ES modules', () => {
    const attw = join(dirname(createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')), 'dist/index.js')
    const run = spawnSync(process.execPath, [attw, tarball, '--profile', 'esm-only', '--no-emoji', '--no-color'], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(run.status, run.stdout + run.stderr).toBe(0)
  })
})

/** A view of exactly these bytes: Node pools small buffers, and publint reads the whole allocation. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}

describe('installed into an empty folder', () => {
  const home = join(folder, 'stranger')
  // The world outside must not lend a hand: no keys, no config, no home of the person who runs the tests.
  const environment = { PATH: process.env['PATH'] ?? '', HOME: home, ROUTEPLANE_HOME: join(home, 'state'), npm_config_offline: 'true' }
  let upstream: Server
  let client: Client

  beforeAll(async () => {
    execFileSync('mkdir', ['-p', home])
    writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }\n')
    npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball], home)
    upstream = createServer(answer).listen(0, '127.0.0.1')
    await new Promise((resolve) => upstream.once('listening', resolve))
    writeFileSync(join(home, 'routeplane.yaml'), configFor((upstream.address() as AddressInfo).port))
    client = new Client({ name: 'stranger', version: '1.0.0' })
    await client.connect(
      new StdioClientTransport({ command: 'npx', args: ['--no', 'routeplane-mcp'], cwd: home, env: environment, stderr: 'inherit' }),
    )
  }, 300_000)

  afterAll(async () => {
    await client?.close()
    upstream?.closeAllConnections()
    await new Promise((resolve) => upstream?.close(resolve))
  })

  test('npx routeplane-mcp introduces itself and lists its tools', async () => {
    verifies('card.mcp.npx')
    expect(client.getServerVersion()).toMatchObject({ name: 'routeplane' })
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(['complete', 'list_models', 'set_preset'])
  })

  test('npx routeplane-mcp completes a prompt at a server on loopback', async () => {
    verifies('card.mcp.complete', 'models.local')
    const result = await client.callTool({
      name: 'complete',
      arguments: { model: 'local:tiny', prompt: 'Say something.', max_output_tokens: 16 },
    })
    expect(result.isError, JSON.stringify(result.content)).not.toBe(true)
    expect(result.structuredContent).toMatchObject({ text: 'Something.', provider: 'local' })
  })

  test('npx routeplane prints its help', () => {
    verifies('card.bin.routeplane')
    const run = spawnSync('npx', ['--no', 'routeplane', '--', '--help'], { cwd: home, env: environment, encoding: 'utf8', timeout: 60_000 })
    expect(run.stderr).toBe('')
    expect(run.status).toBe(0)
    for (const command of ['init', 'serve', 'models', 'route', 'wallet', 'receipts']) expect(run.stdout).toContain(command)
  })

  test('the library can be imported by its name', () => {
    verifies('card.library')
    const script =
      "const { RouteplaneError, errorTable } = await import('routeplane-mcp'); console.log(new RouteplaneError('not_found', 'x').code in errorTable)"
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: home,
      env: environment,
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(run.stderr).toBe('')
    expect(run.stdout).toBe('true\n')
  })
})

function configFor(port: number): string {
  return [
    'skip_auth: true',
    'providers:',
    '  local:',
    `    api_base: http://127.0.0.1:${port}/v1`,
    '    models:',
    '      - id: tiny',
    'upstream:',
    '  allow_loopback: true',
    '',
  ].join('\n')
}

/** A Chat Completions server in a few lines: whole, or as two events when a stream is asked for. */
const answer: Parameters<typeof createServer>[1] = (request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    const { stream } = JSON.parse(body) as { stream?: boolean }
    const head = { id: 'chatcmpl-1', created: 1_760_000_000, model: 'tiny' }
    const usage = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 }
    const event = (choices: unknown, more = {}) =>
      `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more })}\n\n`
    response.setHeader('content-type', stream === true ? 'text/event-stream' : 'application/json')
    if (stream === true) {
      response.write(event([{ index: 0, delta: { role: 'assistant', content: 'Something.' }, finish_reason: null }]))
      response.end(`${event([{ index: 0, delta: {}, finish_reason: 'stop' }])}${event([], { usage })}data: [DONE]\n\n`)
    } else {
      const message = { role: 'assistant', content: 'Something.' }
      response.end(JSON.stringify({ ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage }))
    }
  })
}
