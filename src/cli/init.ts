/** `routeplane init`: writes the commented starter config, and never over another file. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CONFIG_FILE } from '../config/load.ts'
import { resolvePath } from '../config/environment.ts'
import { RouteplaneError } from '../errors.ts'
import { plainCommand, type Command } from './command.ts'
import { starterConfig } from './starter.ts'

export const init: Command = {
  ...plainCommand,
  name: 'init',
  summary: 'Write a commented starter config.',
  details: [`Writes ./${CONFIG_FILE}, or the file after -c. A file that is there already stays as it is.`],
  async run(invocation, { environment }) {
    const file = resolvePath(invocation.configFile ?? CONFIG_FILE, resolve(environment.workingDirectory), environment)
    await writeNew(file)
    const text = [`Wrote ${file}`, '', 'Next: uncomment a provider in it, then', '  routeplane config check', '  routeplane serve'].join(
      '\n',
    )
    return { text, value: { file } }
  },
}

async function writeNew(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
    throw unwritable(dirname(file), cause)
  })
  await writeFile(file, starterConfig, { flag: 'wx' }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(file, cause)
    throw new RouteplaneError('usage', `${file} is there already`, {
      hint: 'Write elsewhere with -c <file>, or move the old one away.',
      details: { problem: 'file_exists' },
    })
  })
}

function unwritable(place: string, cause: unknown): RouteplaneError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown cause'
  return new RouteplaneError('usage', `${place} cannot be written (${code})`, { details: { problem: 'unwritable_file' }, cause })
}
