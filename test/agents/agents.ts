/** The coding agents that are run: how each is pointed at a gateway, told its task, and which tool its model asks for. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProtocolId } from '../../src/protocol/protocol.ts'
import type { AskedCall } from './coding-model.ts'

/** Where an agent works: a home of its own, a folder with the file it is to read, and the gateway. */
export type Workplace = { readonly home: string; readonly project: string; readonly url: string; readonly model: string }

export type Agent = {
  readonly id: string
  readonly package: string
  readonly version: string
  /** Below the folder of the installation; scripts are run by this Node. */
  readonly program: string
  readonly wire: ProtocolId
  call(place: Workplace): AskedCall
  args(place: Workplace): readonly string[]
  variables(place: Workplace): Readonly<Record<string, string>>
  prepare?(place: Workplace): void
}

export const SECRET_FILE = 'secret.txt'
export const PATCHED_FILE = 'made.txt'
const TASK = `Read ${SECRET_FILE} and tell me what it says.`

export const codex: Agent = {
  id: 'codex',
  package: '@openai/codex',
  version: '0.171.0',
  program: 'node_modules/@openai/codex/bin/codex.js',
  wire: 'responses',
  call: () => ({ name: 'exec_command', args: { cmd: `cat ${SECRET_FILE}` } }),
  args: ({ url, model }) => [
    'exec',
    '--skip-git-repo-check',
    '--dangerously-bypass-approvals-and-sandbox',
    ...['-c', `model_providers.routeplane={name="Routeplane",base_url="${url}/v1",env_key="ROUTEPLANE_KEY",wire_api="responses"}`],
    ...['-c', 'model_provider="routeplane"', '-c', 'model_reasoning_effort="low"', '-m', model],
    TASK,
  ],
  variables: ({ home }) => ({ CODEX_HOME: join(home, '.codex'), ROUTEPLANE_KEY: 'any' }),
  prepare: ({ home }) => void mkdirSync(join(home, '.codex'), { recursive: true }),
}

const geminiCli: Agent = {
  id: 'gemini-cli',
  package: '@google/gemini-cli',
  version: '0.61.0',
  program: 'node_modules/@google/gemini-cli/bundle/gemini.js',
  wire: 'generate_content',
  call: ({ project }) => ({ name: 'read_file', args: { file_path: join(project, SECRET_FILE) } }),
  args: ({ model }) => ['--model', model, '--approval-mode', 'yolo', '--prompt', TASK],
  variables: ({ url }) => ({ GEMINI_API_KEY: 'any', GOOGLE_GEMINI_BASE_URL: url, GEMINI_CLI_TRUST_WORKSPACE: 'true' }),
  prepare: ({ home }) => {
    mkdirSync(join(home, '.gemini'), { recursive: true })
    const settings = { security: { auth: { selectedType: 'gemini-api-key' } }, privacy: { usageStatisticsEnabled: false } }
    writeFileSync(join(home, '.gemini', 'settings.json'), JSON.stringify(settings))
  },
}

const claudeCode: Agent = {
  id: 'claude-code',
  package: '@anthropic-ai/claude-code',
  version: '2.1.332',
  program: `node_modules/@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`,
  wire: 'messages',
  call: () => ({ name: 'Bash', args: { command: `cat ${SECRET_FILE}`, description: 'Read the file' } }),
  args: ({ model }) => ['--print', '--model', model, '--dangerously-skip-permissions', TASK],
  variables: ({ home, url }) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: 'any',
    CLAUDE_CONFIG_DIR: join(home, '.claude'),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    IS_SANDBOX: '1',
  }),
}

export const agents: readonly Agent[] = [codex, geminiCli, claudeCode]

/** A patch in the form of Codex's own tool, that makes a file of one line. */
export function patchOf(line: string): string {
  return ['*** Begin Patch', `*** Add File: ${PATCHED_FILE}`, `+${line}`, '*** End Patch'].join('\n')
}
