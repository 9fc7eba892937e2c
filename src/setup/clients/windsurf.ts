/** Windsurf, https://docs.windsurf.com/windsurf/cascade/mcp. */
import { join } from 'node:path'
import type { SetupClient } from '../client.ts'

export const windsurf: SetupClient = {
  id: 'windsurf',
  name: 'Windsurf',
  file: ({ homeDirectory }) => join(homeDirectory, '.codeium', 'windsurf', 'mcp_config.json'),
  format: 'jsonc',
  servers: 'mcpServers',
}
