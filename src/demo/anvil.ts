/** Finds the anvil binary that npm installed, and runs one on a port of its own for as long as we live. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { RouteplaneError } from '../errors.ts'
import { createRpc } from './rpc.ts'
import type { Rpc } from './rpc.ts'

export type AnvilOptions = {
  /** A directory whose `node_modules` holds anvil; ours unless given. */
  readonly installedIn?: string
  readonly chainId: number
  /** Mines on a clock instead of with each transaction. */
  readonly blockTimeSeconds?: number
  /** Plays the Tempo network, with its transactions, its tokens and Permit2, instead of an Ethereum one. */
  readonly tempo?: boolean
}

export type Anvil = {
  readonly url: string
  readonly chainId: number
  readonly rpc: Rpc
  /** Resolves when the process is gone. */
  stop(): Promise<void>
}

/** Earlier rules of the network lose every second transaction whose nonce expires. Work is as cheap as on a quiet day. */
const TEMPO = ['--network', 'tempo', '--hardfork', 't4', '--block-base-fee-per-gas', '1000000000'] as const

/** npm's names of the platforms that anvil is published for. */
const platformPackages: Readonly<Record<string, string>> = {
  'darwin-arm64': 'anvil-darwin-arm64',
  'darwin-x64': 'anvil-darwin-amd64',
  'linux-arm64': 'anvil-linux-arm64',
  'linux-x64': 'anvil-linux-amd64',
  'win32-x64': 'anvil-win32-amd64',
}

/**
 * Finds the binary itself: the package's own launcher outlives a kill and leaves its child running.
 *
 * @throws {@link RouteplaneError} `config_invalid` when `@foundry-rs/anvil` is not installed for this platform.
 */
export function findAnvil(installedIn?: string): string {
  const require = createRequire(installedIn === undefined ? import.meta.url : join(installedIn, 'package.json'))
  const platform = `${process.platform}-${process.arch}`
  const name = platformPackages[platform]
  if (name === undefined) throw new RouteplaneError('config_invalid', `there is no anvil for ${platform}`)
  try {
    const manifest = require.resolve(`@foundry-rs/${name}/package.json`)
    return join(manifest, '..', 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch (cause) {
    throw new RouteplaneError('config_invalid', `the local chain needs @foundry-rs/${name}, which is not installed`, {
      hint: 'Run "npm install --save-dev @foundry-rs/anvil" without --omit=optional.',
      cause,
    })
  }
}

/**
 * Starts anvil on a free port and resolves once it listens.
 *
 * @throws {@link RouteplaneError} `upstream_unreachable` when it ends before it listens.
 */
export async function startAnvil(options: AnvilOptions): Promise<Anvil> {
  const settings = ['--host', '127.0.0.1', '--port', '0', '--chain-id', String(options.chainId), '--accounts', '1']
  if (options.blockTimeSeconds !== undefined) settings.push('--block-time', String(options.blockTimeSeconds))
  if (options.tempo === true) settings.push(...TEMPO)
  const child = spawnGuarded(findAnvil(options.installedIn), settings)
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const url = `http://127.0.0.1:${await listeningPort(child)}`
  return {
    url,
    chainId: options.chainId,
    rpc: createRpc(url),
    stop: async () => {
      release(child)
      await gone
    },
  }
}

/**
 * Ends anvil when our end of its standard input closes, which happens however this process dies, `kill -9` included.
 * The shell waits for whichever comes first: the end of its input, or the end of anvil.
 */
const GUARD =
  'exec 3<&0; "$@" </dev/null & anvil=$!; { read -r _ <&3; kill -9 $anvil; } 2>/dev/null & guard=$!; wait $anvil; kill -9 $guard 2>/dev/null'

function spawnGuarded(binary: string, settings: readonly string[]): ChildProcess {
  const stdio = ['pipe', 'pipe', 'ignore'] as const
  if (process.platform === 'win32') return spawn(binary, settings, { stdio: [...stdio], windowsHide: true })
  return spawn('/bin/sh', ['-c', GUARD, 'sh', binary, ...settings], { stdio: [...stdio] })
}

function release(child: ChildProcess): void {
  child.stdin?.end()
  if (process.platform === 'win32') child.kill()
}

const LISTENING = /Listening on 127\.0\.0\.1:(\d+)/

/** Reads on after the port is known: anvil writes a line a call and would stall on a full pipe. */
function listeningPort(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause?: Error) => reject(new RouteplaneError('upstream_unreachable', 'anvil ended before it listened', { cause }))
    let seen: string | undefined = ''
    child.once('error', fail)
    child.once('close', () => fail())
    child.stdout?.on('data', (chunk: Buffer) => {
      if (seen === undefined) return
      seen += chunk.toString('utf8')
      const port = LISTENING.exec(seen)?.[1]
      if (port === undefined) return
      seen = undefined
      resolve(port)
    })
  })
}
