/** Data URLs and media types are read one way, and an address that is none is refused by its path. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import {
  audioFormatOf,
  normaliseBase64,
  normaliseMimeType,
  parseDataUrl,
  readMediaUrl,
  sniffMimeType,
  takesMedia,
  toDataUrl,
} from '../../../src/protocol/media.ts'

const bytes = fc.uint8Array({ maxLength: 40 })

describe('data URLs', () => {
  it('come back the same, in base64, base64url and percent-encoding', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const base64 = Buffer.from(data).toString('base64')
        const media = { mimeType: 'image/png', base64 }
        expect(parseDataUrl(toDataUrl(media))).toEqual(media)
        expect(parseDataUrl(`data:image/png;base64,${Buffer.from(data).toString('base64url')}`)).toEqual(media)
        const percent = [...data].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
        expect(parseDataUrl(`data:image/png,${percent}`)).toEqual(media)
      }),
    )
  })

  it.each([
    ['DATA:IMAGE/JPG;charset=x;BASE64,AAAA', { mimeType: 'image/jpeg', base64: 'AAAA' }],
    ['data:,hi%20there', { mimeType: 'text/plain', base64: Buffer.from('hi there').toString('base64') }],
    ['data:text/plain,é', { mimeType: 'text/plain', base64: Buffer.from('é').toString('base64') }],
    ['data:image/png;base64,AA\n AA', { mimeType: 'image/png', base64: 'AAAA' }],
    ['data:image/png;base64,AA%3D%3D', { mimeType: 'image/png', base64: 'AA==' }],
  ])('%s', (url, expected) => {
    expect(parseDataUrl(url)).toEqual(expected)
  })

  it.each(['data:image/png;base64', 'data:image/png;base64,A', 'data:image/png;base64,A*==', 'data:image/png,%zz', 'http://a/b', ''])(
    'broken: %s',
    (url) => {
      expect(parseDataUrl(url)).toBeUndefined()
    },
  )

  it('are read or not, but never throw, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect((parseDataUrl(`data:${text}`)?.base64.length ?? 0) % 4).toBe(0)
        expect((normaliseBase64(text)?.length ?? 0) % 4).toBe(0)
      }),
    )
  })
})

describe('readMediaUrl', () => {
  it('tells inline data from an address', () => {
    expect(readMediaUrl('https://example.com/a.png', 'p')).toEqual({ kind: 'url', url: 'https://example.com/a.png' })
    expect(readMediaUrl('data:image/png;base64,AAAA', 'p')).toEqual({ kind: 'inline', mimeType: 'image/png', base64: 'AAAA' })
  })

  it.each([
    'file:///etc/passwd',
    'FILE:///etc/passwd',
    'javascript:alert(1)',
    'gs://bucket/x',
    '/etc/passwd',
    '',
    'data:image/png;base64,*',
  ])('refuses %s by its path', (url) => {
    const path = 'messages[0].content[0].image_url.url'
    expect(() => readMediaUrl(url, path)).toThrow(expect.objectContaining({ code: 'invalid_request', details: { path } }))
  })
})

describe('media types', () => {
  it('have one name each', () => {
    expect(normaliseMimeType(' Image/JPG; q=1')).toBe('image/jpeg')
    expect(normaliseMimeType('constructor')).toBe('constructor')
    expect([audioFormatOf('audio/x-wav'), audioFormatOf('audio/mp3'), audioFormatOf('audio/ogg')]).toEqual(['wav', 'mp3', undefined])
  })

  it('are taken or not by wire', () => {
    expect(takesMedia('messages', 'image', 'image/jpg')).toBe(true)
    expect(takesMedia('messages', 'image', 'image/heic')).toBe(false)
    expect(takesMedia('generate_content', 'image', 'image/heic')).toBe(true)
    expect(takesMedia('responses', 'audio', 'audio/wav')).toBe(false)
    expect(takesMedia('chat_completions', 'file', 'application/pdf')).toBe(true)
  })

  it.each([
    ['\x89PNG\r\n\x1a\n....', 'image/png'],
    ['RIFF\0\0\0\0WEBPVP8 ', 'image/webp'],
    ['RIFF\0\0\0\0WAVEfmt ', 'audio/wav'],
    ['%PDF-1.7', 'application/pdf'],
    ['plain text here', undefined],
    ['', undefined],
  ])('are read off the bytes %j', (head, expected) => {
    expect(sniffMimeType(Buffer.from(head, 'latin1').toString('base64'))).toBe(expected)
  })
})
