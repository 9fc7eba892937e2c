/** Zed, which calls them context servers, https://zed.dev/docs/ai/mcp. */
import { join } from 'node:path'
import { configHome, roaming, type SetupClient } from '../client.ts'

export const zed: SetupClient = {
  id: 'zed',
  name: 'Zed',
  file: (environment) =>
    environment.platform === 'win32'
      ? join(roaming(environment), 'Zed', 'settings.json')
      : join(
          environment.platform === 'darwin' ? join(environment.homeDirectory, '.config') : configHome(environment),
          'zed',
          'settings.json',
        ),
  format: 'jsonc',
  servers: 'context_servers',
}
