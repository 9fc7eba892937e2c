/** Spells the neutral path of a loss the way a caller wrote it, so that he finds the field he has to change. */

/** How one wire spells what the neutral request names. */
export type PathSpelling = {
  /** Wire names of neutral members, such as `stop` or `output.schema`; the longest that fits is taken, others stay. */
  readonly names: Readonly<Record<string, string>>
  /** Where a system block stands, by its number. */
  readonly system: (index: number) => string
  /** Where a turn stands, by its number. */
  readonly turn: (index: number) => string
  /** What the list of a turn's parts is called; absent where a part is told by its turn alone. */
  readonly parts?: string
  readonly tool: (index: number) => string
  /** What a function's schema is called, below its tool. */
  readonly parameters: string
}

/** Spells a path; one that the caller wrote himself, such as that of an unknown field, must not be given. */
export function spellPath(path: string, spelling: PathSpelling): string {
  const [, list = '', number = '0', rest = ''] = /^(system|messages|contents|tools)\[(\d+)\](.*)$/su.exec(path) ?? []
  const index = Number(number)
  switch (list) {
    case 'system':
      return `${spelling.system(index)}${rest}`
    case 'messages':
    case 'contents':
      return spelling.turn(index) + spellParts(rest, spelling.parts)
    case 'tools':
      return spelling.tool(index) + rest.replace(/^\.(?:parameters|schema)/, `.${spelling.parameters}`)
    default:
      return spellName(path, spelling.names)
  }
}

function spellParts(rest: string, parts: string | undefined): string {
  return parts === undefined ? '' : rest.replace(/\.content(?=\[|$)/g, `.${parts}`)
}

function spellName(path: string, names: PathSpelling['names']): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const name = path.slice(0, end)
    if (Object.hasOwn(names, name)) return `${names[name]}${path.slice(end)}`
  }
  return path
}
