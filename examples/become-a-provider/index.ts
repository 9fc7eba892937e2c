/** Starts the provider, validates its registry, has it checked, and finds it by routing. Ends with 0 when all went well. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startProvider } from './provider.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const program = fileURLToPath(new URL('../../src/bin/routeplane.ts', import.meta.url))
const loader = import.meta.resolve('tsx')

/** Runs a command line in the copy of this registry, as a provider would in his. */
async function routeplane(directory: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, TINY_API_KEY: 'parrot', ROUTEPLANE_HOME: join(directory, 'state') }
  const child = spawn(process.execPath, ['--import', loader, program, ...args], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const output = await text(child.stdout)
  const code = await ended
  if (code !== 0) throw new Error(`routeplane ${args.join(' ')} ended with ${code}:\n${output}`)
  return output
}

const directory = mkdtempSync(join(tmpdir(), 'become-a-provider-'))
const provider = await startProvider({ port: 0 })
try {
  cpSync(join(here, 'canonical.yaml'), join(directory, 'canonical.yaml'))
  cpSync(join(here, 'providers'), join(directory, 'providers'), { recursive: true })
  const manifest = join(directory, 'providers/tiny.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replaceAll('http://127.0.0.1:4400/v1', provider.url))
  writeFileSync(join(directory, 'routeplane.yaml'), 'skip_auth: true\nregistry: { path: . }\nupstream: { allow_loopback: true }\n')

  process.stdout.write(await routeplane(directory, 'registry', 'validate', '--reachability', '--allow-loopback'))
  process.stdout.write(await routeplane(directory, 'registry', 'check', 'tiny', '--allow-loopback'))
  process.stdout.write(await routeplane(directory, 'models', 'show', 'tiny/parrot-1'))
  process.stdout.write(await routeplane(directory, 'route', 'tiny/parrot-1', '--explain'))
} finally {
  provider.close()
  rmSync(directory, { recursive: true, force: true })
}
