/** What is published about the server: the registry's entry, and the skill, whose every name must be one of the code's. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { errorTable, moneyStates } from '../../src/errors.ts'
import { resources, tools } from '../../src/mcp/index.ts'
import { listFiles, root } from '../support/sources.ts'
import { verifies } from '../support/verifies.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const readJson = (path: string) => JSON.parse(read(path)) as Record<string, unknown>
const manifest = readJson('package.json') as { name: string; version: string; mcpName: string; files: string[] }

type Entry = {
  readonly name: string
  readonly description: string
  readonly version: string
  readonly packages: readonly { identifier: string; version: string; environmentVariables: { name: string }[] }[]
}

describe('server.json', () => {
  const entry = readJson('server.json') as unknown as Entry
  it('is what the MCP registry takes', () => {
    verifies('card.mcp.published')
    const ajv = new Ajv({ allErrors: true })
    ajv.validate(readJson('test/fixtures/mcp-registry/server.schema.json'), entry)
    expect(ajv.errors).toBeNull()
  })

  it('speaks of this very package: change its versions with the package’s', () => {
    expect([entry.name, entry.version]).toEqual([manifest.mcpName, manifest.version])
    expect(entry.packages.map(({ identifier, version }) => [identifier, version])).toEqual([[manifest.name, manifest.version]])
  })

  it('names only variables that something reads', () => {
    const sources = ['config', 'wallet', 'composition'].flatMap((folder) => listFiles(`src/${folder}`, ['.ts'])).map(read)
    const named = entry.packages.flatMap(({ environmentVariables }) => environmentVariables.map(({ name }) => name))
    expect(named.filter((name) => !sources.some((source) => source.includes(`'${name}'`)))).toEqual([])
    expect(named).toContain('ROUTEPLANE_HOME')
  })
})

describe('the skill', () => {
  const skill = read('skills/routeplane/SKILL.md')
  const [, front = '', text = ''] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(skill) ?? []
  const inBackticks = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'))

  it('has the head that clients read, and is short', () => {
    verifies('card.mcp.published')
    const head = Object.fromEntries(front.split('\n').map((line) => line.split(/: (.*)/s, 2))) as Record<string, string>
    expect([head['name'], Object.keys(head)]).toEqual(['routeplane', ['name', 'description']])
    expect(head['description']?.length).toBeLessThanOrEqual(1024)
    expect(skill.split('\n').length).toBeLessThanOrEqual(150)
    expect(manifest.files).toEqual(expect.arrayContaining(['skills', 'server.json']))
  })

  it('says only commands and options that there are', () => {
    const said = [...lines, ...inBackticks.filter((code) => /^routeplane [a-z]/.test(code))]
    expect(said.length).toBeGreaterThan(10)
    for (const line of said) {
      const words = line.replace(/^routeplane /, '').replaceAll(/"[^"]*"/g, 'x')
      const command = commands.find(({ name }) => words === name || words.startsWith(`${name} `))
      expect(command?.name, line).toBeDefined()
      const options = [...words.matchAll(/ --([a-z-]+)/g)].map(([, name = '']) => name)
      const known = [...Object.keys(command?.options ?? {}), 'format', 'config']
      expect(
        options.filter((name) => !known.includes(name)),
        line,
      ).toEqual([])
    }
  })

  it('says only tools, arguments, results and codes that there are', () => {
    const shapes = tools.flatMap(({ input, output }) => [...Object.keys(input.shape), ...Object.keys(output.shape)])
    const ofErrors = ['code', 'message', 'hint', 'money', 'retryable', 'details', 'partial_text']
    const known = new Set<string>([
      ...tools.map(({ name }) => name),
      ...shapes,
      ...ofErrors,
      ...Object.keys(errorTable),
      ...moneyStates,
      'routeplane',
    ])
    const words = inBackticks.map((code) => /^([a-z][a-z_]*)(?:: .*)?$/.exec(code)?.[1]).filter((word) => word !== undefined)
    expect(words.filter((word) => !known.has(word))).toEqual([])
    for (const { name } of tools) expect(words).toContain(name)
    for (const state of moneyStates) expect(words).toContain(state)
    const addresses = inBackticks.filter((code) => code.startsWith('routeplane://'))
    const templates = resources.map(({ uri }) => uri.replace(/\{.*/, ''))
    expect(addresses.filter((address) => !templates.some((uri) => address.startsWith(uri) && uri.endsWith('/')))).toEqual([])
  })
})
