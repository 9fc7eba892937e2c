/** Who is measured: each row knows how to start itself in front of the mock provider, or why it cannot. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, nodeProgram } from './instruments.ts'
import { freePort, startServer, type Running } from './process.ts'

const root = resolve(fileURLToPath(import.meta.url), '../..')

/** A reason instead of a process means: not measured this time, and why. */
type Start = Running | { readonly absent: string }

export type Contestant = {
  readonly id: string
  readonly name: string
  readonly headers: (mockPort: number) => readonly string[]
  start(mockPort: number): Promise<Start>
}

const noHeaders = () => []

const nginx: Contestant = {
  id: 'nginx',
  name: 'nginx, one worker',
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
  headers: noHeaders,
  async start(mockPort) {
    const port = await freePort()
    return startServer('the bare proxy', [...nodeProgram('bare-proxy'), String(port), String(mockPort)], port)
  },
}

const routeplane: Contestant = {
  id: 'routeplane',
  name: 'routeplane, the user’s own key',
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

const portkeyVersion = '1.15.2'

/** Its open version range also takes a server package with which its streams fail ("immutable" headers): an older one works. */
const portkeyManifest = `${JSON.stringify({ private: true, overrides: { '@hono/node-server': '1.13.8' } })}\n`

const portkey: Contestant = {
  id: 'portkey',
  name: `@portkey-ai/gateway ${portkeyVersion}`,
  headers: (mockPort) => [
    'x-portkey-provider: openai',
    `x-portkey-custom-host: http://127.0.0.1:${mockPort}/v1`,
    'authorization: Bearer bench-key',
  ],
  async start() {
    const folder = join(cache, `portkey-${portkeyVersion}`)
    const program = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    if (!existsSync(program)) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'package.json'), portkeyManifest)
      const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', `@portkey-ai/gateway@${portkeyVersion}`]
      const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', timeout: 300_000 })
      if (status !== 0) return { absent: `npm could not fetch it: ${stderr.trim().split('\n').at(-1) ?? ''}` }
    }
    const port = await freePort()
    const env = { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' }
    return startServer('portkey', [process.execPath, program, '--headless', `--port=${port}`], port, { cwd: folder, env })
  },
}

/** In the order of the tables; `direct` is the mock provider without anybody in between and has no process of its own. */
export const contestants: readonly Contestant[] = [nginx, bareProxy, routeplane, portkey]
