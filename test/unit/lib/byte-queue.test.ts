/** The byte queue: one item a synchronous run, back-pressure, and every way to end. */
import { describe, expect, it } from 'vitest'
import { createByteQueue, type ByteQueue } from '../../../src/lib/byte-queue.ts'

type Watched = { readonly queue: ByteQueue; readonly log: string[]; readonly iterator: AsyncIterator<Uint8Array> }

function watched(highWaterBytes = 10): Watched {
  const log: string[] = []
  const queue = createByteQueue({
    highWaterBytes,
    onFull: () => log.push('full'),
    onDrained: () => log.push('drained'),
    onLeave: () => log.push('left'),
  })
  return { queue, log, iterator: queue.bytes[Symbol.asyncIterator]() }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (result: IteratorResult<Uint8Array>): string | undefined =>
  result.done === true ? undefined : Buffer.from(result.value).toString()

describe('createByteQueue', () => {
  it('gives a waiting reader all of one synchronous run at once', async () => {
    const { queue, iterator } = watched()
    const next = iterator.next()
    queue.push(bytes('a'))
    queue.push(bytes('b'))
    queue.push(bytes(''))
    queue.push(bytes('c'))
    expect(text(await next)).toBe('abc')
  })

  it('gives a late reader all that waits, then the end, again and again', async () => {
    const { queue, iterator } = watched()
    queue.push(bytes('a'))
    queue.push(bytes('b'))
    queue.end()
    queue.push(bytes('ignored'))
    expect([text(await iterator.next()), text(await iterator.next()), text(await iterator.next())]).toEqual(['ab', undefined, undefined])
  })

  it('says when to pause and when to go on', async () => {
    const { queue, log, iterator } = watched(3)
    queue.push(bytes('ab'))
    queue.push(bytes('c'))
    queue.push(bytes('d'))
    expect(log).toEqual(['full'])
    expect(text(await iterator.next())).toBe('abcd')
    expect(log).toEqual(['full', 'drained'])
  })

  it('throws once, after what came before a failure, and at once on abort', async () => {
    const failing = watched()
    failing.queue.push(bytes('a'))
    failing.queue.fail(new Error('broken'))
    expect(text(await failing.iterator.next())).toBe('a')
    await expect(failing.iterator.next()).rejects.toThrow('broken')
    expect((await failing.iterator.next()).done).toBe(true)
    const aborted = watched()
    aborted.queue.push(bytes('a'))
    aborted.queue.abort(new Error('gone'))
    await expect(aborted.iterator.next()).rejects.toThrow('gone')
  })

  it('wakes a waiting reader with an end or an error', async () => {
    const ending = watched()
    const end = ending.iterator.next()
    ending.queue.end()
    expect((await end).done).toBe(true)
    const failing = watched()
    const failure = failing.iterator.next()
    failing.queue.fail(new Error('broken'))
    await expect(failure).rejects.toThrow('broken')
  })

  it('says once that the reader left, and not after the end', async () => {
    const { queue, log } = watched()
    queue.push(bytes('a'))
    for await (const _ of queue.bytes) break
    expect(log).toEqual(['left'])
    const ended = watched()
    ended.queue.push(bytes('a'))
    ended.queue.end()
    for await (const _ of ended.queue.bytes) break
    expect(ended.log).toEqual([])
  })
})
