/** The terminal: hidden questions on a stream that behaves like one, and bounded input. */
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createTerminal } from '../../src/cli/terminal.ts'

function createStreams(isTTY: boolean) {
  const raw: boolean[] = []
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: (on: boolean) => void raw.push(on) })
  const output = Object.assign(new PassThrough(), { isTTY })
  const errors = Object.assign(new PassThrough(), { isTTY })
  const terminal = createTerminal(input as never, output as never, errors as never)
  return { raw, input, output, errors, terminal }
}

describe('askHidden', () => {
  it.each([
    ['a line', ['hunter2\r'], 'hunter2'],
    ['keys one by one', ['a', 'b', 'c', '\n'], 'abc'],
    ['a correction', ['abx\u007fc\r'], 'abc'],
    ['too many corrections', ['\u007f\u007fa\r'], 'a'],
    ['letters beyond ASCII', ['pä', 'ß🔑\r'], 'päß🔑'],
    ['the end of input instead of Enter', ['abc\u0004'], 'abc'],
  ])('reads %s without showing it', async (_, keys, expected) => {
    const { terminal, input, output, errors, raw } = createStreams(true)
    const asked = terminal.askHidden('Password: ')
    for (const key of keys) input.write(key)
    expect(await asked).toBe(expected)
    expect([String(errors.read()), output.read(), raw]).toEqual(['Password: \n', null, [true, false]])
  })

  it('answers two questions from one paste', async () => {
    const { terminal, input } = createStreams(true)
    input.write('first\r\nsecond\r\n')
    expect([await terminal.askHidden('?'), await terminal.askHidden('?')]).toEqual(['first', 'second'])
  })

  it('stops at Ctrl-C and gives the terminal back', async () => {
    const { terminal, input, raw } = createStreams(true)
    input.write('abc\u0003')
    await expect(terminal.askHidden('?')).rejects.toMatchObject({ code: 'cancelled' })
    expect(raw).toEqual([true, false])
  })

  it('asks nobody through a pipe', async () => {
    const { terminal } = createStreams(false)
    expect(terminal.isInteractive).toBe(false)
    await expect(terminal.askHidden('?')).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('readInput', () => {
  it('reads to the end, within its bound', async () => {
    const small = createStreams(false)
    small.input.end('0xabc\n')
    expect(await small.terminal.readInput(16)).toBe('0xabc\n')
    const large = createStreams(false)
    large.input.end('x'.repeat(17))
    await expect(large.terminal.readInput(16)).rejects.toMatchObject({ code: 'usage' })
  })
})
