/** Spells tool names so that a wire accepts them, and remembers how to spell them back. */
import { createRenameTable, type RenameTable, type Spelling } from './rename-table.ts'

/** Whose rule a name must obey. */
export type NameRule = 'openai' | 'anthropic' | 'google'

/**
 * The rules: OpenAI `[A-Za-z0-9_-]{1,64}`, Anthropic the same up to 128, Google `[A-Za-z_][A-Za-z0-9_.:-]{0,127}`.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create, `tools[].function.name`
 * @see https://docs.anthropic.com/en/api/messages, `tools[].name`
 * @see https://ai.google.dev/api/caching#FunctionDeclaration, `name`
 */
const spellings = {
  openai: spelling(/^[A-Za-z0-9_-]{1,64}$/, 64, plain),
  anthropic: spelling(/^[A-Za-z0-9_-]{1,128}$/, 128, plain),
  google: spelling(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, 128, (name) => {
    const clean = name.replace(/[^A-Za-z0-9_.:-]/g, '_')
    return /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`
  }),
} as const satisfies Record<NameRule, Spelling>

/**
 * Maps the names of one request. A name that fits stays; one that does not has its other characters turned into `_`,
 * and gets a hash of the original only when it is too long or would meet another name.
 *
 * Give it every name of the request (tools, history and `tool_choice`); a name met later is still mapped, one-to-one.
 * `restore` is what {@link Restore.toolNames} wants.
 */
export function mapToolNames(names: Iterable<string>, rule: NameRule): RenameTable {
  return createRenameTable(names, spellings[rule])
}

function spelling(pattern: RegExp, maxLength: number, clean: (name: string) => string): Spelling {
  return { fits: (name) => pattern.test(name), clean, maxLength, hash: 'when-needed' }
}

function plain(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '_') || '_'
}
