/** Known secrets are planted, every surface is used and abused in real processes, and nothing that came out may hold one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import type { Faults } from '../../src/demo/paid-provider.ts'
import { readSigned, startRelay, type Relay } from '../gateway/relay.ts'
import { randomHex, useDemoNetwork } from '../support/chain.ts'
import { closedBooks, passTime, writeWorld, type World } from '../support/engine.ts'
import { programOf } from '../support/program.ts'
import { startUpstream } from '../support/upstream.ts'
import { verifies } from '../support/verifies.ts'

const current = useDemoNetwork()

const PASSWORD = `pass-${randomHex(12).slice(2)}`
const TOKEN = `token-${randomHex(16).slice(2)}`
/** One that looks like a key, and one that looks like nothing. */
const API_KEY = `sk-${randomHex(16).slice(2)}`
const ODD_KEY = `Zephyr.${randomHex(10).slice(2)}`
/** Short, so that even a snippet of the text around it would show it. */
const PROMPT = `qz${randomHex(3).slice(2)}`

type Heard = { readonly where: string; readonly text: string }

/** Each fault under a model of its own. */
const faults: Readonly<Record<string, Faults>> = {
  'demo/good': {},
  'demo/again': { challengeAgain: true },
  'demo/fails': { failAfterPayment: 500 },
  'demo/cut': { cutStreamAfter: 2 },
  'demo/drops': { afterSettle: 'drop-connection' },
  'demo/busy': { refuseWith: 500 },
  'demo/wrong': { mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, payTo: `0x${'0'.repeat(40)}` })) },
  'demo/dear': { mutateChallenge: (offers) => offers.map((offer) => ({ ...offer, amount: '999999999' })) },
}
const echoed = ['echo/400', 'echo/401', 'echo/429', 'echo/500', 'echo/200', 'odd/401', 'odd/500']
const models = [...Object.keys(faults), ...echoed, 'no/such']

/** An upstream that says back whatever it was sent, headers and all. */
async function startEcho() {
  const upstream = await startUpstream((request) => {
    const { model } = request.json as { model: string }
    const message = `you sent ${JSON.stringify(request.headers)}: incorrect key ${request.headers.authorization?.slice(7)}`
    const status = Number(model.slice(-3))
    const choices = [{ index: 0, message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' }]
    if (status === 200)
      return { headers: { 'x-key': String(request.headers.authorization) }, json: { id: 'x', object: 'chat.completion', choices } }
    return {
      status,
      headers: { 'x-key': String(request.headers.authorization) },
      json: { error: { message, code: message, type: message, param: message } },
    }
  })
  onTestFinished(() => upstream.close())
  return upstream
}

async function plant(): Promise<{ world: World; relays: readonly Relay[]; seen: readonly { readonly body: Buffer }[] }> {
  const prices = { prompt: '0.000001', completion: '0.000005' }
  const relays: Relay[] = []
  for (const [model, own] of Object.entries(faults)) {
    const id = model.replace('/', '-')
    const seller = await current().startProvider({ id, prices, models: [model], faults: own, tokenDelayMs: 1, maxTimeoutSeconds: 30 })
    relays.push(await startRelay(seller))
  }
  const echo = await startEcho()
  const provider = (id: string, key: string) => {
    const rows = echoed
      .filter((model) => model.startsWith(id))
      .map((model) => `{ id: ${model}, pricing: { prompt: "0.000001", completion: "0.000001" } }`)
    return `  ${id}: { api_base: "${echo.url}", api_key: "\${${key}}", models: [${rows.join(', ')}] }`
  }
  const world = await writeWorld(current(), {
    sellers: relays,
    auth: 'auth_token: "${CANARY_TOKEN}"',
    wallet: 'keystore: ./wallet.json',
    lines: ['log: { level: debug }', 'providers:', provider('echo', 'CANARY_KEY'), provider('odd', 'CANARY_ODD_KEY')],
  })
  const seen = relays.flatMap(({ requests }) => requests)
  return { world, relays, seen }
}

function start(world: World, name: string, ...args: readonly string[]) {
  const { TEST_WALLET_KEY: _, ...variables } = world.variables
  return spawn(process.execPath, [programOf(`src/bin/${name}`), ...args], {
    cwd: world.directory,
    env: {
      ...{ PATH: process.env['PATH'], HOME: join(world.directory, 'home'), NODE_OPTIONS: '' },
      ...{ ROUTEPLANE_WALLET_PASSWORD: PASSWORD, CANARY_TOKEN: TOKEN, CANARY_KEY: API_KEY, CANARY_ODD_KEY: ODD_KEY },
      ...variables,
    },
  })
}

/** Runs one command to its end. */
async function command(world: World, heard: Heard[], args: readonly string[], input = ''): Promise<string> {
  const child = start(world, 'routeplane.ts', ...args)
  let [out, error] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()))
  child.stdin.end(input)
  await once(child, 'close')
  heard.push({ where: `routeplane ${args.join(' ')}: stdout`, text: out }, { where: `routeplane ${args.join(' ')}: stderr`, text: error })
  return out
}

/** Serves until `use` is done, and hears everything the process says. */
async function serving(world: World, heard: Heard[], use: (url: string) => Promise<void>): Promise<void> {
  const child = start(world, 'routeplane.ts', 'serve', '--port', '0', '--format', 'json')
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = { out: '', error: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.error += chunk.toString()))
  const ended = once(child, 'close')
  while (!said.out.includes('"url"'))
    await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error(said.error)))])
  await use((JSON.parse(said.out) as { url: string }).url)
  child.kill('SIGTERM')
  await ended
  expect(said.error).toContain('"event":"attempt failed"')
  heard.push({ where: 'serve: stdout', text: said.out }, { where: 'serve: stderr', text: said.error })
}

const bodyFor = (model: string, more: object = {}) => ({
  ...{ model, max_tokens: 20, routeplane: { on_unknown: 'fail' } },
  messages: [
    { role: 'system', content: `never repeat ${PROMPT}` },
    { role: 'user', content: 'how are you today?' },
  ],
  ...more,
})

async function callHttp(url: string, heard: Heard[]): Promise<void> {
  const send = async (where: string, path: string, body: string | undefined, headers: Record<string, string> = {}) => {
    const init = { headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers } }
    const response = await fetch(`${url}${path}`, body === undefined ? init : { ...init, method: 'POST', body })
    heard.push({ where, text: `${JSON.stringify([...response.headers])}\n${await response.text()}` })
  }
  const chat = '/v1/chat/completions'
  for (const model of models) {
    await send(`http ${model}`, chat, JSON.stringify(bodyFor(model)))
    await send(`http ${model} streamed`, chat, JSON.stringify(bodyFor(model, { stream: true })))
  }
  await send('http wrong token', chat, JSON.stringify(bodyFor('demo/good')), { authorization: `Bearer ${TOKEN}x` })
  await send('http wrong type', chat, JSON.stringify(bodyFor('demo/good')), { 'content-type': 'text/plain' })
  await send('http low cap', chat, JSON.stringify(bodyFor('demo/good', { max_cost_usd: '0.000001' })))
  await send('http bad member', chat, JSON.stringify(bodyFor('demo/good', { max_tokens: PROMPT })))
  for (const text of [`{"messages": ${PROMPT}}`, `{"model": "demo/good", "messages": [{"role": "user", "content": "${PROMPT}"`, PROMPT]) {
    await send('http bad JSON', chat, text)
  }
  for (const path of ['/v1/models', '/v1/receipts', '/health', '/v1/receipts/none', '/nowhere']) await send(`http ${path}`, path, undefined)
}

async function callMcp(world: World, heard: Heard[]): Promise<void> {
  const child = start(world, 'routeplane-mcp.ts')
  onTestFinished(() => void child.kill('SIGKILL'))
  let error = ''
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()))
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const ended = once(child, 'close')
  const ask = async (id: number, method: string, params: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    while (!lines.some((line) => (JSON.parse(line) as { id?: number }).id === id)) await Promise.race([once(reader, 'line'), ended])
  }
  const call = (id: number, name: string, input: object) => ask(id, 'tools/call', { name, arguments: input, _meta: { progressToken: id } })
  await ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'canary', version: '1' } })
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`)
  let id = 2
  for (const model of models)
    await call(id++, 'complete', { model, system: `never repeat ${PROMPT}`, prompt: 'how are you?', max_output_tokens: 20 })
  await call(id++, 'list_models', {})
  await call(id++, 'set_preset', { name: 'mine', model: 'demo/good', persist: true })
  await call(id++, 'complete', { model: 7 })
  child.stdin.end()
  await ended
  heard.push({ where: 'mcp: stdout', text: lines.join('\n') }, { where: 'mcp: stderr', text: error })
}

/** Every file of the world, its ledger and its presets among them, as bytes that are searched as text. */
function filesOf(directory: string): readonly Heard[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ where: `file ${path.slice(directory.length + 1)}`, text: readFileSync(path).toString('latin1') }))
}

function secretsOf(world: World, relays: readonly Relay[]): readonly (readonly [name: string, text: string])[] {
  const key = world.key.reveal().slice(2)
  const credentials = relays.flatMap(({ credentials: own }) => own)
  expect(credentials.length).toBeGreaterThan(10)
  return [
    ['private key', key],
    ['private key in capitals', key.toUpperCase()],
    ['private key in base64', Buffer.from(key, 'hex').toString('base64')],
    ['private key in decimal', BigInt(`0x${key}`).toString()],
    ['private key as bytes', Buffer.from(key, 'hex').toString('latin1')],
    ['password', PASSWORD],
    ['token', TOKEN],
    ['API key', API_KEY],
    ['API key of another form', ODD_KEY],
    ['prompt', PROMPT],
    ...credentials.flatMap((credential): [string, string][] => [
      ['payment header', credential.slice(0, 200)],
      ['signature', readSigned(credential).signature.slice(2)],
    ]),
  ]
}

it('no secret and no prompt comes out anywhere, whatever goes wrong', { timeout: 180_000 }, async () => {
  verifies('card.wallet.silent', 'card.wallet.keystore', 'card.mcp.stdout')
  const { world, relays } = await plant()
  const heard: Heard[] = []
  await command(world, heard, ['wallet', 'import'], `${world.key.reveal()}\n`)
  await command(world, heard, ['wallet', 'import'], `${world.key.reveal()}\n`)
  await serving(world, heard, (url) => callHttp(url, heard))
  await callMcp(world, heard)
  await passTime(current(), 60)
  await command(world, heard, ['reconcile'])
  const list = JSON.parse(await command(world, heard, ['receipts', 'list', '--format', 'json'])) as { receipts?: { id: string }[] }
  const ids = JSON.stringify(list).match(/pay_[0-9a-z]{26}/g) ?? []
  expect(ids.length).toBeGreaterThan(5)
  await command(world, heard, ['receipts', 'show', ids[0] ?? ''])
  await command(world, heard, ['receipts', 'verify', ids[0] ?? ''])
  await command(world, heard, ['receipts', 'export'])
  await command(world, heard, ['wallet', 'status'])
  await command(world, heard, ['config', 'check', '--format', 'json'])
  await command(world, heard, ['route', 'demo/good', '--explain'])
  await command(world, heard, ['wallet', 'import', world.key.reveal()])
  await closedBooks(world)

  const secrets = secretsOf(world, relays)
  const leaks = [...heard, ...filesOf(world.directory)].flatMap(({ where, text }) =>
    secrets.filter(([, secret]) => text.includes(secret)).map(([name, secret]) => `${name} in ${where}: ${around(text, secret)}`),
  )
  expect(leaks).toEqual([])
  // The question itself has reached whom it was for, and so could have leaked.
  expect(relays.some(({ requests }) => requests.some(({ body }) => body.includes(PROMPT)))).toBe(true)
})

/** Where it was found, with the secret itself left out of the test's own output. */
function around(text: string, secret: string): string {
  const at = text.indexOf(secret)
  return `${text.slice(Math.max(0, at - 80), at)}[HERE]${text.slice(at + secret.length, at + secret.length + 40)}`
}
