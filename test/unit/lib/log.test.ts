/** What a log line may say: nothing that looks like a key or a signature, and no secret whatever shape it has. */
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { createLog, Secret } from '../../../src/lib/log.ts'

function logged(value: string): string {
  const lines: string[] = []
  createLog(
    'debug',
    (line) => lines.push(line),
    () => 0,
  ).warn('something', { said: value })
  return lines.join('')
}

const key = 'ab'.repeat(32)
it.each([
  // With 0x before it, it has the shape of the hashes by which transactions and channels are named.
  ['a private key', key, key],
  ['a signature', `0x${'cd'.repeat(65)}`, 'cd'.repeat(65)],
  ['an API key', 'Incorrect API key provided: sk-proj-abcdefgh12345678', 'sk-proj-abcdefgh12345678'],
  ['a key in a URL', 'GET /v1beta/models?key=AIzaSecret&alt=sse', 'AIzaSecret'],
  ['a bearer token', 'authorization: Bearer abcdefgh12345678', 'abcdefgh12345678'],
  ['a payment credential', 'authorization: Payment eyJjaGFsbGVuZ2Ui', 'eyJjaGFsbGVuZ2Ui'],
  ['a long base64 text', `header ${'QUJD'.repeat(60)}=`, 'QUJDQUJDQUJD'],
])('blanks %s', (_, text, secret) => {
  expect(logged(text)).not.toContain(secret)
  expect(logged(text)).toMatch(/\[(?:hex|signature|api-key|secret|long)\]/)
})

it('leaves addresses, ids and plain words as they are', () => {
  const text = 'pay_01m8dc377qkxgj1s98e62erq95 to 0x209693Bc6afc0C5328bA36FaF03C514EF312287C: not settled yet'
  expect(logged(text)).toContain(text)
})

it('prints a secret nowhere', () => {
  const secret = new Secret('short')
  expect([`${secret}`, JSON.stringify({ secret }), inspect({ secret }), inspect([secret])].join(' ')).not.toContain('short')
  expect(secret.reveal()).toBe('short')
})
