/** `routeplane setup` in real files: every client, every state a file may be in, and nothing of the owner's lost. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { parse as parseJsonc } from 'jsonc-parser'
import { parse as parseToml, stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { createEnvironment } from '../../src/config/environment.ts'
import { editSafely, entryOf } from '../../src/setup/edit.ts'
import { backupOf } from '../../src/setup/file.ts'
import { setupClients } from '../../src/setup/index.ts'
import { jsonc } from '../../src/setup/jsonc.ts'
import { toml } from '../../src/setup/toml.ts'
import { createWorld, type World, type WorldOptions } from './fake-context.ts'

const rows = setupClients.map((client) => ({ ...client, client }))
type Client = (typeof setupClients)[number]

/** A home with one file in it, for the client whose file it is. */
function worldWith(client: Client, text?: string, options: WorldOptions = {}): World & { readonly path: string; read(): string } {
  const world = createWorld({ platform: 'linux', ...options })
  const path = client.file(createEnvironment(options.variables ?? {}, join(world.directory, 'home'), world.directory, 'linux'))
  if (text !== undefined) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  return { ...world, path, read: () => readFileSync(path, 'utf8') }
}

const read = (client: Client, text: string): unknown => (client.format === 'toml' ? parseToml(text) : parseJsonc(text))
const entryIn = (client: Client, text: string): unknown =>
  (read(client, text) as Record<string, Record<string, unknown>>)[client.servers]?.['routeplane']

/** A file as its owner left it: comments, another server with a key, something else; `own` is an older entry of ours. */
function owners(client: Client, own = false): string {
  if (client.format === 'toml') {
    const old = own
      ? `[mcp_servers.routeplane] # mine\nurl = "http://127.0.0.1:4356/mcp"\nargs = [\n  "[a]",\n]\nstartup_timeout_sec = 20\n\n[mcp_servers.routeplane.env]\nA = "b"\n\n`
      : ''
    return `# my settings\nmodel = "o" # the good one\nnote = """\n[mcp_servers.routeplane]\n"""\n\n${old}[mcp_servers.other]\ncommand = "x"\nenv = { KEY = "sk-other-key" }\n# the end\n`
  }
  const old = own ? `    "routeplane": { "url": "http://127.0.0.1:4356/mcp", "env": { "A": "b" } },\n` : ''
  return `{\n    // my settings\n    "theme": "dark", /* the good one */\n    "${client.servers}": {\n${old}        "other": { "command": "x", "env": { "KEY": "sk-other-key" } }, // keep\n    },\n}\n`
}

describe.each(rows)('setup $id', ({ client }) => {
  const start = { ...client.more, command: 'npx', args: ['-y', 'routeplane-mcp'] }

  it('makes a file where none is, private, and undo leaves none', async () => {
    const world = worldWith(client)
    expect((await world.run('setup', client.id, '--dry-run')).out).toContain('@@ -0,0 +1,')
    expect(await world.run('setup', client.id, '--yes')).toMatchObject({ code: 0, error: '' })
    expect(entryIn(client, world.read())).toEqual(start)
    expect(statSync(world.path).mode & 0o777).toBe(0o600)
    expect(existsSync(backupOf(world.path))).toBe(false)
    expect(await world.run('setup', client.id, '--undo', '--yes')).toMatchObject({ code: 0 })
    expect(existsSync(world.path)).toBe(false)
  })

  it('fills an empty file', async () => {
    const world = worldWith(client, '')
    expect((await world.run('setup', client.id, '--yes')).code).toBe(0)
    expect(entryIn(client, world.read())).toEqual(start)
  })

  it('keeps comments, other servers and their keys to itself, and undo gives back the very bytes', async () => {
    const text = owners(client)
    const world = worldWith(client, text)
    chmodSync(world.path, 0o640)
    const { out } = await world.run('setup', client.id, '--yes')
    expect(out).not.toContain('sk-other-key')
    expect(out).toContain('routeplane-mcp')
    const lines = text.split('\n').map((line) => line.trim().replace(/,$/, ''))
    expect(lines.filter((line) => !world.read().includes(line))).toEqual([])
    expect(entryIn(client, world.read())).toEqual(start)
    expect(statSync(world.path).mode & 0o777).toBe(0o640)
    expect(readFileSync(backupOf(world.path), 'utf8')).toBe(text)
    await world.run('setup', client.id, '--undo', '--yes')
    expect(world.read()).toBe(text)
    expect(existsSync(backupOf(world.path))).toBe(false)
  })

  it('replaces how an older entry was reached, and keeps what the user had added to it', async () => {
    const world = worldWith(client, owners(client, true))
    expect((await world.run('setup', client.id, '--yes')).code).toBe(0)
    const more = client.format === 'toml' ? { startup_timeout_sec: 20, env: { A: 'b' } } : { env: { A: 'b' } }
    expect(entryIn(client, world.read())).toEqual({ ...start, ...more })
    const written = world.read()
    expect((await world.run('setup', client.id, '--yes')).out).toContain('already')
    expect(world.read()).toBe(written)
  })

  it('takes only its own entry out when the file was changed since', async () => {
    const world = worldWith(client, owners(client))
    await world.run('setup', client.id, '--yes')
    const changed = world.read().replace('dark', 'light').replace('the good one', 'the better one')
    writeFileSync(world.path, changed)
    expect((await world.run('setup', client.id, '--undo', '--yes')).code).toBe(0)
    expect(entryIn(client, world.read())).toBeUndefined()
    expect(world.read()).toContain('the better one')
    expect(world.read()).toContain('sk-other-key')
  })

  it.each(['{ "a": ', '[1', 'x = = 1', '[]\n[]', '\u0000', '['.repeat(100_000), `{"${client.servers}": 3}`, `${client.servers} = 3`])(
    'refuses a broken file (%#) with a clear error, and writes nothing',
    async (text) => {
      const world = worldWith(client, text)
      const { code, error } = await world.run('setup', client.id, '--yes')
      expect(code).toBe(2)
      expect(error).toContain(world.path)
      expect(error.length).toBeLessThan(700)
      expect(world.read()).toBe(text)
      expect(existsSync(backupOf(world.path))).toBe(false)
    },
  )

  it('starts npx through the shell on Windows', async () => {
    const world = createWorld({ platform: 'win32', variables: { APPDATA: '/roaming-of-nobody' } })
    const { out } = await world.run('setup', client.id, '--dry-run', '--format', 'json')
    expect((JSON.parse(out) as { diff: string }).diff).toContain('"/c"')
  })
})

describe('setup', () => {
  const [client] = setupClients as [Client]

  it('writes nothing without a yes, nor with --dry-run', async () => {
    const world = worldWith(client, owners(client), { answers: ['n'] })
    expect((await world.run('setup', client.id)).code).toBe(1)
    expect(await world.run('setup', client.id, '--dry-run')).toMatchObject({ code: 0, out: expect.stringContaining('+++') })
    expect(world.read()).toBe(owners(client))
    const alone = worldWith(client, owners(client))
    expect(await alone.run('setup', client.id)).toMatchObject({ code: 2, error: expect.stringContaining('--yes') })
    expect(alone.read()).toBe(owners(client))
  })

  it('writes after a yes, through a link, with the config that was named', async () => {
    const world = worldWith(client, undefined, { answers: ['y'] })
    const real = join(world.directory, 'dotfiles.json')
    writeFileSync(real, '{}')
    mkdirSync(dirname(world.path), { recursive: true })
    symlinkSync(real, world.path)
    expect((await world.run('setup', client.id, '-c', 'mine.yaml')).code).toBe(0)
    expect(lstatSync(world.path).isSymbolicLink()).toBe(true)
    expect(entryIn(client, readFileSync(real, 'utf8'))).toMatchObject({
      args: ['-y', 'routeplane-mcp', '-c', join(world.directory, 'mine.yaml')],
    })
  })

  it('lists the clients with their files and states', async () => {
    const world = worldWith(client, owners(client, true))
    const { out } = await world.run('setup', '--list', '--format', 'json')
    const { clients } = JSON.parse(out) as { clients: { client: string; state: string }[] }
    expect(clients.map((each) => [each.client, each.state])).toEqual(
      setupClients.map(({ id }) => [id, id === client.id ? 'added' : 'no file']),
    )
  })

  it.each([
    [['cursr'], 'did you mean cursor?'],
    [['--undo'], 'missing'],
    [['cursor', '--undo', '--yes'], 'no entry of ours'],
  ])('refuses %j', async (args, message) => {
    expect(await createWorld().run('setup', ...args)).toMatchObject({ code: 2, error: expect.stringContaining(message) })
  })

  it('refuses forms that it cannot edit, and says what to add', () => {
    const entry = { command: 'npx', args: [] }
    for (const text of [
      'mcp_servers = { a = { command = "x" } }',
      'mcp_servers.routeplane.command = "x"',
      '[mcp_servers]\nrouteplane = { command = "x" }\n',
    ]) {
      expect(() => editSafely(toml, text, 'mcp_servers', entry), text).toThrowError(/cannot be edited/)
    }
    expect(() => editSafely(jsonc, '{"s": {"routeplane": {}}, "s": {}}', 's', entry)).toThrowError(/cannot be edited/)
  })

  it('changes nothing but its own table in any TOML, there and back', () => {
    const word = fc.oneof(
      fc.constantFrom('routeplane', 'mcp_servers', 'args', '[x]', '# no', 'a.b'),
      fc.string({ minLength: 1, maxLength: 6 }),
    )
    const leaf = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.integer({ min: -9, max: 9 }),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 2 }),
    )
    const safe = word.filter((each) => each !== '__proto__')
    const server = fc.dictionary(safe, fc.oneof(leaf, fc.dictionary(safe, leaf, { maxKeys: 2 })), { maxKeys: 3 })
    const file = fc.record({
      rest: fc.dictionary(
        safe.filter((each) => each !== 'mcp_servers'),
        fc.oneof(leaf, server),
        { maxKeys: 3 },
      ),
      servers: fc.dictionary(safe, server, { maxKeys: 3 }),
      crlf: fc.boolean(),
    })
    fc.assert(
      fc.property(file, ({ rest, servers, crlf }) => {
        const text = stringify({ ...rest, mcp_servers: servers }).replaceAll('\n', crlf ? '\r\n' : '\n')
        const before = toml.parse(text)
        const old = entryOf(before, 'mcp_servers')
        const { command: _, args: __, ...kept } = (old ?? {}) as Record<string, unknown>
        const fresh = editSafely(toml, text, 'mcp_servers', { ...kept, command: 'npx', args: ['-y', 'routeplane-mcp'] })
        expect(entryOf(toml.parse(fresh), 'mcp_servers')).toMatchObject({ command: 'npx' })
        if (old === undefined) expect(editSafely(toml, fresh, 'mcp_servers', undefined).trimEnd()).toBe(text.trimEnd())
        expect(entryOf(toml.parse(editSafely(toml, fresh, 'mcp_servers', undefined)), 'mcp_servers')).toBeUndefined()
      }),
      { numRuns: 150 },
    )
  })
})
