/** The real process: both entries, exit codes, pipes and signals. */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeVersionProblem } from '../../src/bin/node-version.ts'
import { createFolder } from '../support/folder.ts'
import { programOf } from '../support/program.ts'

const entry = (name: string) => [programOf(`src/bin/${name}`)]

function run(args: readonly string[], options: { cwd?: string; env?: Record<string, string>; name?: string; input?: string } = {}) {
  const cwd = options.cwd ?? createFolder('bin')
  const result = spawnSync(process.execPath, [...entry(options.name ?? 'routeplane.ts'), ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: join(cwd, 'home'), ...options.env },
    encoding: 'utf8',
    input: options.input ?? '',
  })
  return { code: result.status, out: result.stdout, error: result.stderr, cwd }
}

describe('routeplane', () => {
  it('helps, also where nobody is looking, without a single escape', () => {
    const { code, out, error } = run(['--help'], { env: { FORCE_COLOR: '3' } })
    expect([code, error]).toEqual([0, ''])
    expect(out).toContain('Usage: routeplane [command] [options]')
    expect(out).not.toContain('\u001b')
  })

  it('writes a starter config, checks it, and will not write it twice', () => {
    const { code, cwd } = run(['init'])
    expect([code, existsSync(join(cwd, 'routeplane.yaml'))]).toEqual([0, true])
    expect(run(['config', 'check'], { cwd })).toMatchObject({ code: 0, error: '', out: expect.stringContaining('is valid') as string })
    expect(run(['init'], { cwd })).toMatchObject({ code: 2, out: '', error: expect.stringContaining('is there already') as string })
  })

  it('reads keys from its environment', () => {
    const { out } = run(['config', 'check', '--format', 'json'], { env: { OPENAI_API_KEY: 'sk-openai-secret' } })
    expect(JSON.parse(out)).toMatchObject({ source: null, providers: [{ id: 'openai', has_key: true }] })
    expect(out).not.toContain('sk-openai-secret')
  })

  it('survives a file of brackets and a file of its own key', () => {
    const cwd = createFolder('bin')
    writeFileSync(join(cwd, 'deep.yaml'), '['.repeat(100_000))
    writeFileSync(join(cwd, 'key.yaml'), `wallet: {private_key: "0x${'ab'.repeat(32)}"}`)
    expect(run(['config', 'check', '-c', 'deep.yaml'], { cwd })).toMatchObject({
      code: 2,
      error: expect.stringContaining('nested deeper') as string,
    })
    const { code, error } = run(['config', 'check', '-c', 'key.yaml', '--debug'], { cwd })
    expect([code, error.includes('abab')]).toEqual([2, false])
  })

  it('ends with 0 when its reader has read enough', async () => {
    const child = spawn(process.execPath, [...entry('routeplane.ts'), '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
  })

  it('ends with 130 at an interrupt while it waits for a key', async () => {
    const cwd = createFolder('bin')
    // Says when somebody begins to read standard input: that is the moment to interrupt.
    const announce = `data:text/javascript,process.stdin.on('newListener', (event) => event === 'readable' && process.stderr.write('reading'))`
    const child = spawn(process.execPath, ['--import', announce, ...entry('routeplane.ts'), 'wallet', 'import'], {
      cwd,
      env: { PATH: process.env['PATH'], HOME: cwd },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
    child.stderr.once('data', () => child.kill('SIGINT'))
    expect(await ended).toBe(130)
  })
})

describe('output that cannot be written', () => {
  it('ends with 1', async () => {
    const file = join(createFolder('bin'), 'out')
    writeFileSync(file, '')
    const readOnly = openSync(file, 'r')
    const child = spawn(process.execPath, [...entry('routeplane.ts'), '--help'], { stdio: ['ignore', readOnly, 'ignore'] })
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1)
    closeSync(readOnly)
  })
})

describe('routeplane-mcp', () => {
  it('helps as the mcp command does', () => {
    const { code, out } = run(['--help'], { name: 'routeplane-mcp.ts' })
    expect(code).toBe(0)
    expect(out).toContain('Usage: routeplane mcp [options]')
  })
})

describe('the version of Node.js', () => {
  it.each(['18.20.4', '20.18.3', '16.0.0', '20.0.0'])('%s is too old', (version) => {
    expect(nodeVersionProblem(version)).toBe(`routeplane: Node.js 20.19 or newer is needed, and this is ${version}\n`)
  })
  it.each(['20.19.0', '20.20.2', '22.0.0', '24.1.0', '25.0.0-nightly'])('%s will do', (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined()
  })
})
