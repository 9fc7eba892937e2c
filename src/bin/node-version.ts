/** Tells whether this Node.js can run Routeplane, in code that any Node.js can run. */

const NEEDED = [20, 19] as const

/** @returns what to tell the user, or `undefined` when the version will do. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return undefined
  return `routeplane: Node.js ${NEEDED.join('.')} or newer is needed, and this is ${version}\n`
}

/** Ends the process with 2 when its Node.js is too old. Call before anything else is loaded. */
export function refuseOldNode(): void {
  const problem = nodeVersionProblem(process.versions.node)
  if (problem === undefined) return
  process.stderr.write(problem)
  process.exit(2)
}
