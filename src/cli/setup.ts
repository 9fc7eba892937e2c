/** `routeplane setup`: writes our entry into the settings of an MCP client, after showing what would change; and takes it out again. */
import { resolvePath, type Environment } from '../config/environment.ts'
import { nearest } from '../config/nearest.ts'
import { RouteplaneError } from '../errors.ts'
import { diff } from '../setup/diff.ts'
import { editSafely, entryOf, type FileFormat } from '../setup/edit.ts'
import { createEntry, mergeEntry, type Entry } from '../setup/entry.ts'
import { backUp, backupOf, readText, removeFile, writeText } from '../setup/file.ts'
import { setupClients } from '../setup/index.ts'
import type { SetupClient } from '../setup/client.ts'
import { plainCommand, type Command, type CommandResult } from './command.ts'
import type { CommandContext } from './context.ts'
import { usage, type Invocation } from './invocation.ts'
import { table } from './output.ts'

export const setup: Command = {
  ...plainCommand,
  name: 'setup',
  summary: 'Add Routeplane to an MCP client, or with --undo take it out.',
  details: [
    `Clients: ${setupClients.map(({ id }) => id).join(', ')}.`,
    'Shows what would change and asks first. Comments and other servers stay; the old file is kept beside the new one.',
  ],
  positionals: ['[client]'],
  options: {
    list: { type: 'boolean', summary: 'List the clients, their files, and which have us.' },
    'dry-run': { type: 'boolean', summary: 'Show what would change and write nothing.' },
    yes: { type: 'boolean', short: 'y', summary: 'Write without asking.' },
    undo: { type: 'boolean', summary: 'Take the entry out, or put back the file from before.' },
  },
  async run(invocation, context) {
    const [id] = invocation.positionals
    if (id === undefined && (invocation.flag('undo') || invocation.flag('yes') || invocation.flag('dry-run'))) {
      throw usage(setup, 'missing_argument', '[client] is missing')
    }
    if (id === undefined || invocation.flag('list')) return listClients(context.environment)
    const client = findClient(id)
    const file = client.file(context.environment)
    const plan = await planFor(client, file, invocation, context.environment).catch((error: unknown) => {
      throw error instanceof RouteplaneError ? inFile(file, error) : error
    })
    return carryOut(client, plan, invocation, context)
  },
}

type Plan = {
  readonly file: string
  readonly before: string | undefined
  /** `undefined`: the file goes, because nothing but our entry was in it. */
  readonly after: string | undefined
  readonly diff: string
  /** Whether the present file is to be kept beside the new one. */
  readonly isBackedUp: boolean
}

function findClient(id: string): SetupClient {
  const client = setupClients.find((each) => each.id === id)
  if (client !== undefined) return client
  const meant = nearest(
    id,
    setupClients.map((each) => each.id),
  )
  const message = `there is no client ${JSON.stringify(id.slice(0, 40))}${meant === undefined ? '' : `; did you mean ${meant}?`}`
  throw usage(setup, 'unknown_client', message)
}

async function listClients(environment: Environment): Promise<CommandResult> {
  const rows = await Promise.all(
    setupClients.map(async (client) => {
      const file = client.file(environment)
      return { client: client.id, name: client.name, file, state: await stateOf(client, file) }
    }),
  )
  const cells = rows.map(({ client, state, file }) => [client, state, file])
  const next = 'Add one with "routeplane setup <client>".'
  return { text: `${table(['client', 'routeplane', 'file'], cells)}\n\n${next}`, value: { clients: rows } }
}

async function stateOf(client: SetupClient, file: string): Promise<'added' | 'absent' | 'no file' | 'unreadable'> {
  try {
    const text = await readText(file)
    if (text === undefined) return 'no file'
    return entryOf((await formatOf(client)).parse(text), client.servers) === undefined ? 'absent' : 'added'
  } catch {
    return 'unreadable'
  }
}

/** The editors are loaded when a file is edited, and not when the program starts. */
async function formatOf({ format }: SetupClient): Promise<FileFormat> {
  return format === 'toml' ? (await import('../setup/toml.ts')).toml : (await import('../setup/jsonc.ts')).jsonc
}

async function planFor(client: SetupClient, file: string, invocation: Invocation, environment: Environment): Promise<Plan> {
  const format = await formatOf(client)
  const before = await readText(file)
  const configFile =
    invocation.configFile === undefined ? undefined : resolvePath(invocation.configFile, environment.workingDirectory, environment)
  const ours = createEntry(client, environment, configFile)
  const old = entryOf(format.parse(before ?? ''), client.servers)
  const after = invocation.flag('undo')
    ? textBefore(format, { servers: client.servers, backup: await readText(backupOf(file)), present: before ?? '', entry: old, ours })
    : editSafely(format, before ?? '', client.servers, mergeEntry(old, ours))
  const shown = Object.values(ours)
    .flat()
    .map((each) => JSON.stringify(each))
  return {
    file,
    before,
    after,
    diff: before === after ? '' : diff(file, before ?? '', after ?? '', shown),
    isBackedUp: before !== undefined && !invocation.flag('undo') && (old === undefined || (await readText(backupOf(file))) === undefined),
  }
}

type Undoing = {
  readonly servers: string
  /** The file from before our entry, if it is still there. */
  readonly backup: string | undefined
  readonly present: string
  readonly entry: Entry | undefined
  readonly ours: Entry
}

/** What undo leaves: the very file from before when only our edit was made since, else the present file without our entry. */
function textBefore(format: FileFormat, { servers, backup, present, entry, ours }: Undoing): string | undefined {
  if (entry === undefined)
    throw new RouteplaneError('usage', 'has no entry of ours to take out', { details: { problem: 'nothing_to_undo' } })
  const entryBefore = backup === undefined ? undefined : entryOf(format.parse(backup), servers)
  if (backup !== undefined && editSafely(format, backup, servers, mergeEntry(entryBefore, ours)) === present) return backup
  if (entryBefore !== undefined) {
    throw new RouteplaneError('usage', 'was changed since, and had an older entry of ours', {
      hint: 'Compare it with the backup beside it by hand.',
      details: { problem: 'not_editable' },
    })
  }
  const rest = editSafely(format, present, servers, undefined)
  const isLeftEmpty = Object.values(format.parse(rest)).every(isEmptyTable)
  return backup === undefined && isLeftEmpty && !/\/\/|\/\*|#/.test(rest) ? undefined : rest
}

function isEmptyTable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

async function carryOut(client: SetupClient, plan: Plan, invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const { file, before, after } = plan
  const value = { client: client.id, file, changed: false, diff: plan.diff, backup: null as string | null, gateway: client.gateway ?? null }
  if (before === after) return { text: `${client.name} has Routeplane already (${file}). Nothing was written.`, value }
  if (invocation.flag('dry-run')) return { text: `${plan.diff}\n\nNothing was written.`, value }
  const isWanted = invocation.flag('yes') || (await isConfirmed(plan, context))
  if (!isWanted) return { text: 'Nothing was written.', value, exitCode: 1 }
  if ((await readText(file)) !== before) {
    throw new RouteplaneError('usage', `${file} was changed meanwhile: nothing was written`, { details: { problem: 'changed_meanwhile' } })
  }
  const backup = plan.isBackedUp ? await backUp(file) : null
  if (after === undefined) await removeFile(file)
  else await writeText(file, after, context.clock.now())
  if (invocation.flag('undo')) await removeFile(backupOf(file))
  const done = invocation.flag('undo') ? undone(client, plan) : added(client, plan, backup)
  return { text: done.join('\n'), value: { ...value, changed: true, backup } }
}

async function isConfirmed(plan: Plan, { terminal }: CommandContext): Promise<boolean> {
  terminal.error(`${plan.diff}\n\n`)
  if (!terminal.isInteractive) {
    throw new RouteplaneError('usage', 'nothing was written, for there is nobody to ask', {
      hint: 'Write it with --yes.',
      details: { problem: 'not_interactive' },
    })
  }
  return /^y(?:es)?$/i.test((await terminal.ask('Write this? [y/N] ')).trim())
}

function added(client: SetupClient, { file, diff: shown }: Plan, backup: string | null): string[] {
  return [
    shown,
    '',
    `Wrote ${file}`,
    ...(backup === null ? [] : [`The file from before: ${backup}`]),
    `Start ${client.name} anew to see it. Take it out with "routeplane setup ${client.id} --undo".`,
    ...(client.gateway === undefined
      ? []
      : [`To send its own model calls through the gateway as well, run "routeplane" and set ${client.gateway}`]),
  ]
}

function undone(client: SetupClient, { file, after, diff: shown }: Plan): string[] {
  return [
    shown,
    '',
    after === undefined ? `Removed ${file}: nothing else was in it` : `Took Routeplane out of ${file}`,
    `Start ${client.name} anew.`,
  ]
}

/** The same refusal with the file in front. */
function inFile(file: string, error: RouteplaneError): RouteplaneError {
  if (error.message.startsWith(file) || error.details?.['problem'] === 'unusable_file') return error
  const hint = error.hint === undefined ? {} : { hint: error.hint }
  return new RouteplaneError(error.code, `${file}: ${error.message}; nothing was written`, {
    ...hint,
    details: error.details ?? {},
    cause: error,
  })
}
