/** Gemini CLI: the user's settings, https://geminicli.com/docs/tools/mcp-server. */
import { join } from 'node:path'
import type { SetupClient } from '../client.ts'

export const geminiCli: SetupClient = {
  id: 'gemini-cli',
  name: 'Gemini CLI',
  file: ({ homeDirectory }) => join(homeDirectory, '.gemini', 'settings.json'),
  format: 'jsonc',
  servers: 'mcpServers',
  gateway: 'GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:4356',
}
