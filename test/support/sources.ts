/** Reads our own source files for the tests that judge them, and blanks what is not code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const root = resolve(fileURLToPath(import.meta.url), '../../..')

export type Source = { readonly path: string; readonly text: string }

/** Gives every file below `folder` whose name ends in one of `endings`, relative to the root and sorted; none if there is no such folder. */
export function listFiles(folder: string, endings: readonly string[]): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

/** Gives the files of {@link listFiles} with their text. */
export function readSources(folder: string, endings: readonly string[] = ['.ts']): Source[] {
  return listFiles(folder, endings).map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

const beforeRegex = /(?:^|[=(,;:!&|?{}[+\-*%<>~^\n]|\b(?:return|typeof|case|in|of|yield|await|void))\s*$/

/**
 * Blanks comments, and with `strings` also the contents of strings, templates and regular expressions, keeping every
 * line where it was. Code inside `${…}` of a template stays.
 */
export function blank(text: string, what: { readonly strings: boolean }): string {
  let out = ''
  // One entry for each template we are inside of, holding how many braces are open in its current `${…}`.
  const templates: number[] = []
  const keep = (piece: string, isString: boolean) => {
    out += isString && what.strings ? piece.slice(0, 1) + piece.slice(1, -1).replace(/[^\n]/g, ' ') + piece.slice(-1) : piece
  }
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + 2)
    const char = text.charAt(at)
    if (rest === '//' || rest === '/*') {
      const end = rest === '//' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2) + 2
      const stop = end < at + 2 ? text.length : end
      out += text.slice(at, stop).replace(/[^\n]/g, ' ')
      at = stop
    } else if (char === "'" || char === '"') {
      const stop = endOfQuoted(text, at, char)
      keep(text.slice(at, stop), true)
      at = stop
    } else if (char === '`' || (char === '}' && templates.at(-1) === 0)) {
      if (char === '}') templates.pop()
      const { stop, opened } = endOfTemplatePiece(text, at)
      keep(text.slice(at, stop), true)
      if (opened) templates.push(0)
      at = stop
    } else if (char === '/' && beforeRegex.test(out.slice(-40))) {
      const stop = endOfRegex(text, at)
      keep(text.slice(at, stop), true)
      at = stop
    } else {
      const depth = templates.length - 1
      if (depth >= 0 && char === '{') templates[depth] = (templates[depth] ?? 0) + 1
      if (depth >= 0 && char === '}') templates[depth] = (templates[depth] ?? 0) - 1
      out += char
      at++
    }
  }
  return out
}

function endOfQuoted(text: string, from: number, quote: string): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === quote || text.charAt(at) === '\n') return at + 1
  }
  return text.length
}

/** A piece runs from a backtick or the `}` of an interpolation to the next `${` or the closing backtick, both included. */
function endOfTemplatePiece(text: string, from: number): { stop: number; opened: boolean } {
  for (let at = from + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '`') return { stop: at + 1, opened: false }
    else if (text.startsWith('${', at)) return { stop: at + 2, opened: true }
  }
  return { stop: text.length, opened: false }
}

function endOfRegex(text: string, from: number): number {
  let inClass = false
  for (let at = from + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\') at++
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '/' && !inClass) return at + 1
    else if (char === '\n') return at
  }
  return text.length
}

/** Where a module is imported: by a statement that vanishes at run time, one that stays, or `import()` / `require()`, of a literal or not. */
type ImportKind = 'type' | 'static' | 'lazy' | 'computed'
export type Import = { readonly specifier: string; readonly kind: ImportKind; readonly line: number }

const statements = /(?:^|[\n;])\s*(import|export)\s+(type\s+)?([^'"`;()]*?\bfrom\s*)?(['"])([^'"\n]+)\4/g
const calls =
  /(?<![.\w$])(import|require(?:\.resolve)?|createRequire\([^()]*\)(?:\.resolve)?)\s*\(\s*(?:(['"`])([^'"`\n]*)\2\s*[),]|([^'"`\s)]))/g

/** Finds every module a text imports, statically, dynamically or in a type; of a `computed` one only the place is known. */
export function importsOf(text: string): Import[] {
  const code = blank(text, { strings: false })
  const lineAt = (index: number) => code.slice(0, index).split('\n').length
  const found: Import[] = []
  for (const match of code.matchAll(statements)) {
    const [whole, , type, clause = '', , specifier = ''] = match
    found.push({
      specifier,
      kind: type !== undefined || isTypeClause(clause) ? 'type' : 'static',
      line: lineAt(match.index + whole.length),
    })
  }
  for (const match of code.matchAll(calls)) {
    const [, name = '', , specifier, computed] = match
    if (computed !== undefined && name.startsWith('createRequire')) continue
    const kind = computed !== undefined ? 'computed' : isTypeQuery(code, match.index) ? 'type' : 'lazy'
    found.push({ specifier: specifier ?? '', kind, line: lineAt(match.index) })
  }
  return found
}

/** `{ type A, type B } from` brings no value in. */
function isTypeClause(clause: string): boolean {
  const names = /^\{([^}]*)\}\s*from\s*$/.exec(clause.trim() === '' ? '' : `${clause.trim()} `)?.[1]
  return (
    names !== undefined && names.trim() !== '' && names.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '))
  )
}

/** `typeof import('x')` and `import('x').Name` in a type position: only the former can be told from the text alone. */
function isTypeQuery(code: string, index: number): boolean {
  return /\btypeof\s*$/.test(code.slice(Math.max(0, index - 12), index))
}
