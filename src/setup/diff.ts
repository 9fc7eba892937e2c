/** Shows what an edit changes, without showing what else is in the file: its values may be keys of other servers. */

const CONTEXT = 2
const MAX_WIDTH = 200

/** A unified diff of one hunk: an edit of one entry changes one place. `ours` are the texts that may be shown. */
export function diff(file: string, before: string, after: string, ours: readonly string[]): string {
  const [old, fresh] = [linesOf(before), linesOf(after)]
  const isSame = (line: string | undefined, other: string | undefined) => line !== undefined && line === other
  let start = 0
  while (isSame(old[start], fresh[start])) start++
  let end = 0
  while (end < Math.min(old.length, fresh.length) - start && isSame(old.at(-1 - end), fresh.at(-1 - end))) end++
  const from = Math.max(0, start - CONTEXT)
  const removed = old.slice(start, old.length - end)
  const added = fresh.slice(start, fresh.length - end)
  const tail = old.slice(old.length - end, old.length - end + CONTEXT)
  const context = start - from + tail.length
  return [
    `--- ${file}`,
    `+++ ${file}`,
    `@@ -${range(from, removed.length + context)} +${range(from, added.length + context)} @@`,
    ...old.slice(from, start).map((line) => ` ${line}`),
    ...removed.map((line) => `-${line}`),
    ...added.map((line) => `+${line}`),
    ...tail.map((line) => ` ${line}`),
  ]
    .map((line, index) => (index < 2 ? line : covered(line, ours)))
    .join('\n')
}

/** Nothing begins after the line before it. */
function range(from: number, length: number): string {
  return `${length === 0 ? from : from + 1},${length}`
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/)
}

/** Texts that are no names and not our own become an ellipsis. */
function covered(line: string, ours: readonly string[]): string {
  const shown = line
    .replace(/"(?:[^"\\]|\\.)*"(\s*[:=])?/g, (text, isName) => (isName !== undefined || ours.includes(text) ? text : '"…"'))
    .replace(/=\s*'[^']*'/g, "= '…'")
  return shown.length > MAX_WIDTH ? `${shown.slice(0, MAX_WIDTH)}…` : shown
}
