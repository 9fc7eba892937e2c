/** Cursor, https://cursor.com/docs/context/mcp. */
import { join } from 'node:path'
import type { SetupClient } from '../client.ts'

export const cursor: SetupClient = {
  id: 'cursor',
  name: 'Cursor',
  file: ({ homeDirectory }) => join(homeDirectory, '.cursor', 'mcp.json'),
  format: 'jsonc',
  servers: 'mcpServers',
}
