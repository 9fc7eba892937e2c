/** Finds for each result of a history the call it answers, where neither may have an id. */
import { deriveToolId } from '../tool-ids.ts'

type Call = { readonly id: string; readonly name: string; isAnswered: boolean }

export type CallBook = {
  /** Enters a call. @returns its id, made up from its place when it has none. */
  called(name: string, id: string | null | undefined): string
  /** Finds the call of a result: by id, by an id that a client has lengthened or shortened, or by name and order. */
  answered(name: string | undefined, id: string | null | undefined): { readonly id: string; readonly name?: string }
}

/** Ids depend on places alone: a history that is sent again, longer, keeps the ids it had. */
export function createCallBook(): CallBook {
  const calls: Call[] = []
  let orphans = 0
  const mark = (call: Call): Call => {
    call.isAnswered = true
    return call
  }
  return {
    called: (name, given) => {
      // The second call under one id would take the first one's result.
      const isFree = given !== undefined && given !== null && given !== '' && !calls.some(({ id }) => id === given)
      const id = isFree ? given : deriveToolId('history', 0, calls.length)
      calls.push({ id, name, isAnswered: false })
      return id
    },
    answered: (name, given) => {
      const open = calls.filter(({ isAnswered }) => !isAnswered)
      const id = given ?? ''
      const found =
        (id === '' ? undefined : (open.find((call) => call.id === id) ?? open.find((call) => isSame(call.id, id)))) ??
        open.find((call) => name === undefined || name === '' || call.name === name)
      if (found !== undefined) return mark(found)
      const made = id === '' ? deriveToolId('history', 1, orphans) : id
      orphans++
      return name === undefined ? { id: made } : { id: made, name }
    },
  }
}

/** One popular client puts the tool's name before ids, and cuts it off again in some of its modes. */
function isSame(known: string, given: string): boolean {
  return given.endsWith(`__${known}`) || known.endsWith(`__${given}`)
}
