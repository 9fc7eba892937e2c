/** Waits until the event loop has dealt with what has come and written what is to go. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
