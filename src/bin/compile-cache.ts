/** Lets Node keep the compiled form of our files between starts, where it can: from Node 22.1 on. */
import * as nodeModule from 'node:module'

/** Does nothing on a Node without it, nor where the user has switched it off. @see https://nodejs.org/api/module.html, "module.enableCompileCache" */
export function keepCompiled(): void {
  const { enableCompileCache } = nodeModule as { readonly enableCompileCache?: () => unknown }
  enableCompileCache?.()
}
