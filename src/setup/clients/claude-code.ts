/** Claude Code: the servers of the user's scope, https://code.claude.com/docs/en/mcp. */
import { join } from 'node:path'
import type { SetupClient } from '../client.ts'

export const claudeCode: SetupClient = {
  id: 'claude-code',
  name: 'Claude Code',
  file: (environment) => join(environment.get('CLAUDE_CONFIG_DIR') ?? environment.homeDirectory, '.claude.json'),
  format: 'jsonc',
  servers: 'mcpServers',
  more: { type: 'stdio' },
  gateway: 'ANTHROPIC_BASE_URL=http://127.0.0.1:4356',
}
