/** Which addresses count as public, in every spelling that reaches a socket. */
import { describe, expect, it } from 'vitest'
import { addressKind, isLoopbackHost } from '../../../src/lib/private-address.ts'

describe('addressKind', () => {
  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.0.1',
    '100.128.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::1',
    '::ffff:8.8.8.8',
  ])('%s is public', (address) => expect(addressKind(address)).toBe('public'))
  it.each(['127.0.0.1', '127.255.255.254', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'])('%s is loopback', (address) =>
    expect(addressKind(address)).toBe('loopback'),
  )
  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '192.0.2.5',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd12:3456::1',
    'ff02::1',
    '64:ff9b::a9fe:a9fe',
    '2002:7f00:1::',
    '2001:db8::1',
    '2001::1',
    '100::1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    'fec0::1',
    '3fff::1',
    'localhost',
    '',
    'example.com',
  ])('%s is private', (address) => expect(addressKind(address)).toBe('private'))
})

describe('isLoopbackHost', () => {
  it.each([
    'http://localhost',
    'http://LOCALHOST',
    'http://localhost.',
    'http://a.localhost',
    'http://127.1',
    'http://2130706433',
    'http://0x7f.1',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
  ])('%s names this machine', (url) => expect(isLoopbackHost(new URL(url).hostname)).toBe(true))
  it.each(['http://localhost.evil.com', 'http://127.0.0.1.nip.io', 'http://10.0.0.1', 'http://notlocalhost', 'http://[::2]'])(
    '%s does not',
    (url) => expect(isLoopbackHost(new URL(url).hostname)).toBe(false),
  )
})
