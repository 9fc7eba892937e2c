/** The tuple of clients that `routeplane setup` knows: list, help and tests follow from it. */
import type { SetupClient } from './client.ts'
import { claudeCode } from './clients/claude-code.ts'
import { claudeDesktop } from './clients/claude-desktop.ts'
import { codex } from './clients/codex.ts'
import { cursor } from './clients/cursor.ts'
import { geminiCli } from './clients/gemini-cli.ts'
import { vscode } from './clients/vscode.ts'
import { windsurf } from './clients/windsurf.ts'
import { zed } from './clients/zed.ts'

export const setupClients: readonly SetupClient[] = [claudeCode, claudeDesktop, cursor, vscode, codex, geminiCli, windsurf, zed]
