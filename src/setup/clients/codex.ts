/** Codex, https://developers.openai.com/codex/mcp. */
import { join } from 'node:path'
import type { SetupClient } from '../client.ts'

export const codex: SetupClient = {
  id: 'codex',
  name: 'Codex',
  file: (environment) => join(environment.get('CODEX_HOME') ?? join(environment.homeDirectory, '.codex'), 'config.toml'),
  format: 'toml',
  servers: 'mcp_servers',
  gateway: 'OPENAI_BASE_URL=http://127.0.0.1:4356/v1',
}
