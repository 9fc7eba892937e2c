/** Has V8 compile what runs often sooner, and with less effort, than it would by itself, for a process that serves. */
import { setFlagsFromString } from 'node:v8'

/** Bytes of bytecode a function runs before V8 considers to optimise it; 67,584 unless said otherwise. */
const INTERRUPT_BUDGET = 15_000

/** Bytes of bytecode that all functions may have together which V8 puts into the one that it optimises; 920 unless said otherwise. */
const MAX_INLINED = 300

/** The last V8 without a compiler between the quick one and the thorough one: Node 20 has it, Node 22 does not. */
const LAST_MAJOR = 11

/**
 * A request passes through several hundred functions once each, so that V8's default leaves them interpreted for thousands of
 * requests: three times the time of a request later on. With this budget the first three seconds of a load served half as
 * many again, and what comes after them is as fast as ever.
 *
 * V8 optimises on a thread of its own, but that thread needs a core, too: on a single one it took two thirds of the first two
 * seconds. Most of what it did there was to compile the same functions into one another; with a third of that a request of
 * those seconds costs a quarter less, and a later one as much as before. Nor are `map` and its like compiled into their callers:
 * the lists that they then make have another hidden class than before, so that whoever reads those is compiled a second time.
 *
 * From Node 22 on a first thousand requests take half of Node 20's time by themselves; there a lower threshold made them slower,
 * and V8 would complain on stderr of the one that it does not know any more.
 *
 * @param version - Of V8, as `process.versions.v8` says it.
 * @see https://nodejs.org/api/v8.html, "v8.setFlagsFromString"
 */
export function earlyFlags(version: string): readonly string[] {
  if (Number.parseInt(version, 10) > LAST_MAJOR) return []
  return [
    `--interrupt-budget=${INTERRUPT_BUDGET}`,
    `--max-inlined-bytecode-size-cumulative=${MAX_INLINED}`,
    '--no-turbo-inline-array-builtins',
  ]
}

/** Call before what serves is loaded. */
export function compileEarly(): void {
  for (const flag of earlyFlags(process.versions.v8)) setFlagsFromString(flag)
}
