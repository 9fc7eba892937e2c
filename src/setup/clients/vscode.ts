/** VS Code: the servers of the default profile, https://code.visualstudio.com/docs/agents/reference/mcp-configuration. */
import { join } from 'node:path'
import { applicationData, type SetupClient } from '../client.ts'

export const vscode: SetupClient = {
  id: 'vscode',
  name: 'VS Code',
  file: (environment) => join(applicationData(environment), 'Code', 'User', 'mcp.json'),
  format: 'jsonc',
  servers: 'servers',
  more: { type: 'stdio' },
}
