/** Runs an agent to its end, in a place of its own, and gives what it printed. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFolder } from '../support/folder.ts'
import { SECRET_FILE, type Agent, type Workplace } from './agents.ts'

export type Ran = { readonly code: number | null; readonly output: string; readonly errors: string }

/** Below what the suite gives a test. */
const MOST_MS = 25_000

/** @param secret - What the file says that the agent is asked about. */
export function openWorkplace(url: string, model: string, secret: string): Workplace {
  const folder = createFolder('agent')
  const place = { home: join(folder, 'home'), project: join(folder, 'project'), url, model }
  mkdirSync(place.home)
  mkdirSync(place.project)
  writeFileSync(join(place.project, SECRET_FILE), `${secret}\n`)
  return place
}

export function runAgent(agent: Agent, folder: string, place: Workplace): Promise<Ran> {
  agent.prepare?.(place)
  const program = join(folder, agent.program)
  const [command, ...before] = program.endsWith('.js') ? [process.execPath, program] : [program]
  const variables = { PATH: process.env['PATH'] ?? '', HOME: place.home, NO_COLOR: '1', ...agent.variables(place) }
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...before, ...agent.args(place)], {
      cwd: place.project,
      env: variables,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Some start themselves again: a group of its own lets all of them be ended.
      detached: true,
    })
    const late = setTimeout(() => killGroup(child.pid), MOST_MS)
    const [output, errors]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (piece: Buffer) => output.push(piece))
    child.stderr.on('data', (piece: Buffer) => errors.push(piece))
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(late)
      resolve({ code, output: Buffer.concat(output).toString(), errors: Buffer.concat(errors).toString() })
    })
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of them had ended just before.
  }
}
