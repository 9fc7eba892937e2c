/** Who is measured: each row knows how to start itself in front of the mock provider, or why it cannot. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, nodeProgram } from './instruments.ts'
import type { Caller } from './scenarios.ts'
import { freePort, startServer, type Running } from './process.ts'

const root = resolve(fileURLToPath(import.meta.url), '../..')

/** A reason instead of a process means: not measured this time, and why. */
type Start = Running | { readonly absent: string }

export type Contestant = {
  readonly id: string
  readonly name: string
  readonly headers: (mockPort: number) => readonly string[]
  /** The wires it is asked in, and what it calls the mock's model in each. */
  readonly models: Readonly<Partial<Record<Caller, string>>>
  start(mockPort: number): Promise<Start>
}

const noHeaders = () => []
const MODEL = 'bench-model'
/** Speaks the provider's wire only. */
const forwards = { models: { chat: MODEL } } as const

const nginx: Contestant = {
  id: 'nginx',
  name: 'nginx, one worker',
  ...forwards,
  headers: noHeaders,
  async start(mockPort) {
    const program = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx'].find((path) => existsSync(path))
    if (program === undefined) return { absent: 'not installed (apt-get install nginx-light, or brew install nginx)' }
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'routeplane-bench-nginx-'))
    writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, port, mockPort))
    return startServer('nginx', [program, '-p', folder, '-c', join(folder, 'nginx.conf')], port)
  },
}

/** A plain reverse proxy as one would set it up for streams: keep-alive upstream, no buffering, no log. */
function nginxConfig(folder: string, port: number, mockPort: number): string {
  return `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; client_body_buffer_size 1m;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream mock { server 127.0.0.1:${mockPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering on; }
  }
}
`
}

const bareProxy: Contestant = {
  id: 'bare',
  name: 'node:http and undici, nothing between',
  ...forwards,
  headers: noHeaders,
  async start(mockPort) {
    const port = await freePort()
    return startServer('the bare proxy', [...nodeProgram('bare-proxy'), String(port), String(mockPort)], port)
  },
}

const routeplane: Contestant = {
  id: 'routeplane',
  name: 'routeplane, the user’s own key',
  models: { chat: MODEL, messages: MODEL },
  headers: noHeaders,
  async start(mockPort) {
    const program = join(root, 'dist/bin/routeplane.js')
    if (!existsSync(program)) return { absent: 'not built (npm run build)' }
    const port = await freePort()
    const home = mkdtempSync(join(tmpdir(), 'routeplane-bench-'))
    writeFileSync(join(home, 'routeplane.yaml'), routeplaneConfig(home, port, mockPort))
    const env = { HOME: home, ROUTEPLANE_HOME: home, BENCH_KEY: 'bench-key' }
    return startServer('routeplane', [process.execPath, program, 'serve', '-c', join(home, 'routeplane.yaml')], port, { cwd: home, env })
  },
}

/** Everything on that a user has on: routing, health, the ledger on disk. Only the local token is off. */
function routeplaneConfig(home: string, port: number, mockPort: number): string {
  return `
listen: { host: 127.0.0.1, port: ${port} }
skip_auth: true
providers:
  bench:
    api_base: http://127.0.0.1:${mockPort}/v1
    api_key: \${BENCH_KEY}
    models:
      - id: bench-model
        pricing: { prompt: "0.000001", completion: "0.000002" }
        context_length: 128000
        max_output_length: 4096
upstream: { allow_loopback: true }
ledger: { path: ${join(home, 'ledger.db')} }
`
}

/** Fetches a package of npm once. @returns why it could not be had. */
function fetchPackage(
  folder: string,
  name: string,
  program: string,
  manifest = '{ "private": true }\n',
): { readonly absent: string } | undefined {
  if (existsSync(program)) return undefined
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), manifest)
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', name]
  const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', timeout: 300_000 })
  return status === 0 ? undefined : { absent: `npm could not fetch it: ${stderr.trim().split('\n').at(-1) ?? ''}` }
}

const portkeyVersion = '1.15.2'

/** Its open version range also takes a server package with which its streams fail ("immutable" headers): an older one works. */
const portkeyManifest = `${JSON.stringify({ private: true, overrides: { '@hono/node-server': '1.13.8' } })}\n`

const portkey: Contestant = {
  id: 'portkey',
  name: `@portkey-ai/gateway ${portkeyVersion}`,
  ...forwards,
  headers: (mockPort) => [
    'x-portkey-provider: openai',
    `x-portkey-custom-host: http://127.0.0.1:${mockPort}/v1`,
    'authorization: Bearer bench-key',
  ],
  async start() {
    const folder = join(cache, `portkey-${portkeyVersion}`)
    const program = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    const missing = fetchPackage(folder, `@portkey-ai/gateway@${portkeyVersion}`, program, portkeyManifest)
    if (missing !== undefined) return missing
    const port = await freePort()
    const env = { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' }
    return startServer('portkey', [process.execPath, program, '--headless', `--port=${port}`], port, { cwd: folder, env })
  },
}

/** What both of this maker's programs are told of the mock provider. */
const providersOf = (mockPort: number) => [
  { name: 'bench', api_base_url: `http://127.0.0.1:${mockPort}/v1/chat/completions`, api_key: 'bench-key', models: [MODEL] },
]
const translates = { models: { messages: `bench,${MODEL}` } } as const
const llmsVersion = '1.0.53'

const llms: Contestant = {
  id: 'llms',
  name: `@musistudio/llms ${llmsVersion}`,
  headers: () => ['x-api-key: bench-key'],
  ...translates,
  async start(mockPort) {
    const folder = join(cache, `llms-${llmsVersion}`)
    const library = join(folder, 'node_modules/@musistudio/llms/dist/cjs/server.cjs')
    const missing = fetchPackage(folder, `@musistudio/llms@${llmsVersion}`, library)
    if (missing !== undefined) return missing
    const port = await freePort()
    const config = { providers: providersOf(mockPort), HOST: '127.0.0.1', PORT: String(port), LOG: false }
    const options = JSON.stringify({ initialConfig: config, logger: false })
    const program = join(folder, 'serve.cjs')
    writeFileSync(program, `const { default: Server } = require('@musistudio/llms'); new Server(${options}).start()\n`)
    return startServer('llms', [process.execPath, program], port, { cwd: folder, env: { HOME: folder, NODE_ENV: 'production' } })
  },
}

const routerVersion = '1.0.73'

const claudeCodeRouter: Contestant = {
  id: 'ccr',
  name: `claude-code-router ${routerVersion}`,
  headers: () => ['x-api-key: bench-key'],
  ...translates,
  async start(mockPort) {
    const folder = join(cache, `ccr-${routerVersion}`)
    const program = join(folder, 'node_modules/@musistudio/claude-code-router/dist/cli.js')
    const missing = fetchPackage(folder, `@musistudio/claude-code-router@${routerVersion}`, program)
    if (missing !== undefined) return missing
    const port = await freePort()
    const config = { LOG: false, HOST: '127.0.0.1', PORT: port, Providers: providersOf(mockPort), Router: { default: `bench,${MODEL}` } }
    mkdirSync(join(folder, '.claude-code-router'), { recursive: true })
    writeFileSync(join(folder, '.claude-code-router', 'config.json'), JSON.stringify(config))
    const env = { HOME: folder, NODE_ENV: 'production', SERVICE_PORT: String(port) }
    return startServer('ccr', [process.execPath, program, 'start'], port, { cwd: folder, env })
  },
}

/** In the order of the tables; `direct` is the mock provider without anybody in between and has no process of its own. */
export const contestants: readonly Contestant[] = [nginx, bareProxy, routeplane, portkey, llms, claudeCodeRouter]
