/** Cites the promises a test proves, so that an unproven one can be found. */
import { requirements, type RequirementId } from '../requirements.ts'

const known = new Set<string>(requirements.map(({ id }) => id))

/**
 * Call it inside a test, with ids written out as literals: `test/requirements.test.ts` finds them in the text.
 *
 * @throws Error for an id that is not in `test/requirements.ts`: vitest runs without checking types.
 */
export function verifies(...ids: readonly RequirementId[]): void {
  for (const id of ids) if (!known.has(id)) throw new Error(`verifies(): ${id} is not a promise in test/requirements.ts`)
}
