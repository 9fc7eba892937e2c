/** The median of the last few figures, kept in order so that one more costs little. */

export type MedianWindow = {
  /** Takes a figure, forgets what is too old or too much, and gives the median: of an even number the lower middle one. */
  add(value: number, now: number): number
  /** How many figures the last median was of. */
  count(): number
}

/** @param maxAgeMs - How long a figure counts; its age is taken when another one comes. */
export function createMedianWindow(maxCount: number, maxAgeMs: number): MedianWindow {
  const arrivals: { readonly value: number; readonly at: number }[] = []
  const sorted: number[] = []
  return {
    add(value, now) {
      arrivals.push({ value, at: now })
      sorted.splice(placeOf(sorted, value), 0, value)
      for (let oldest = arrivals[0]; oldest !== undefined; oldest = arrivals[0]) {
        if (arrivals.length <= maxCount && now - oldest.at <= maxAgeMs) break
        arrivals.shift()
        sorted.splice(placeOf(sorted, oldest.value), 1)
      }
      return sorted[Math.floor((sorted.length - 1) / 2)] as number
    },
    count: () => sorted.length,
  }
}

/** The first place whose figure is not below `value`. */
function placeOf(sorted: readonly number[], value: number): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle] as number) < value) from = middle + 1
    else to = middle
  }
  return from
}
