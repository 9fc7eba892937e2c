/** Finds the words somebody most likely meant, for "did you mean" in errors. */

const MAX_LENGTH = 80

/**
 * Gives up to `count` candidates, nearest first, that are within a third of the word's length in edits (at least two).
 * Equal distances keep the order of the text, so the answer does not depend on the order of the candidates.
 */
export function nearestWords(word: string, candidates: Iterable<string>, count: number): readonly string[] {
  const wanted = word.toLowerCase().slice(0, MAX_LENGTH)
  const limit = Math.max(2, Math.floor(wanted.length / 3))
  const near: { readonly candidate: string; readonly distance: number }[] = []
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) > limit) continue
    const distance = editDistance(wanted, candidate.toLowerCase().slice(0, MAX_LENGTH), limit)
    if (distance <= limit) near.push({ candidate, distance })
  }
  near.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return near.slice(0, count).map(({ candidate }) => candidate)
}

/**
 * Counts the letters to insert, delete or replace to make one word of the other.
 *
 * @returns Infinity when that is more than `limit`: the search through a large catalog ends early for most of it.
 */
export function editDistance(from: string, to: string, limit: number = Infinity): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    let least = row
    for (let column = 1; column <= to.length; column++) {
      const replaced = cell(above, column - 1) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const distance = Math.min(replaced, cell(above, column) + 1, cell(current, column - 1) + 1)
      current.push(distance)
      if (distance < least) least = distance
    }
    if (least > limit) return Infinity
    above = current
  }
  const distance = cell(above, to.length)
  return distance > limit ? Infinity : distance
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? Infinity
}
