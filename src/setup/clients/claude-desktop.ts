/** Claude Desktop, https://modelcontextprotocol.io/docs/develop/connect-local-servers. */
import { join } from 'node:path'
import { applicationData, type SetupClient } from '../client.ts'

export const claudeDesktop: SetupClient = {
  id: 'claude-desktop',
  name: 'Claude Desktop',
  file: (environment) => join(applicationData(environment), 'Claude', 'claude_desktop_config.json'),
  format: 'jsonc',
  servers: 'mcpServers',
}
