/** The local token: made once, shown never, and only trusted in a file nobody else can read. */
import { chmodSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { localToken } from '../../src/cli/token.ts'
import { Secret } from '../../src/lib/log.ts'
import { createWorld } from './fake-context.ts'
import { createFolder } from '../support/folder.ts'

const state = () => join(createFolder('token'), 'state')

describe('localToken', () => {
  it('asks for none with skip_auth and takes the config’s own', async () => {
    const authToken = new Secret('from-config')
    expect(await localToken({ skipAuth: true, stateDirectory: '/nowhere' })).toEqual({})
    expect(await localToken({ skipAuth: false, authToken, stateDirectory: '/nowhere' })).toEqual({ token: authToken })
  })

  it('makes one of 256 bits, 0600, and finds it again', async () => {
    const stateDirectory = state()
    const first = await localToken({ skipAuth: false, stateDirectory })
    const second = await localToken({ skipAuth: false, stateDirectory })
    expect(first.token?.reveal()).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(second).toEqual(first)
    expect(second.token?.reveal()).toBe(first.token?.reveal())
    expect([statSync(stateDirectory).mode & 0o777, statSync(first.file ?? '').mode & 0o777]).toEqual([0o700, 0o600])
  })

  it.each([
    ['others may read it', (file: string) => chmodSync(file, 0o644), 'nobody else can read'],
    ['it is empty', (file: string) => truncateSync(file, 0), 'holds no token'],
    ['it was cut', (file: string) => truncateSync(file, 8), 'holds no token'],
  ])('refuses the file when %s', async (_, spoil, message) => {
    const stateDirectory = state()
    const { file = '' } = await localToken({ skipAuth: false, stateDirectory })
    spoil(file)
    await expect(localToken({ skipAuth: false, stateDirectory })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(message) as string,
    })
  })

  it('refuses a link to another file', async () => {
    const stateDirectory = createFolder('token')
    writeFileSync(join(stateDirectory, 'other'), 'x'.repeat(43), { mode: 0o600 })
    symlinkSync(join(stateDirectory, 'other'), join(stateDirectory, 'token'))
    await expect(localToken({ skipAuth: false, stateDirectory })).rejects.toMatchObject({ code: 'config_invalid' })
  })
})

describe('serve', () => {
  it('says where the token is and not what it is', async () => {
    let given: string | undefined
    const world = createWorld({
      engine: {
        serveHttp: async (_, { host, port, token, skipAuth }) => {
          given = token?.reveal()
          world.interrupt('SIGTERM')
          return { url: `http://${host}:${port} ${skipAuth}`, close: async () => {} }
        },
      },
    })
    const { code, out, error } = await world.run('serve', '--port', '0')
    const file = join(world.directory, 'home', '.routeplane', 'token')
    expect([code, given]).toEqual([0, readFileSync(file, 'utf8').trim()])
    expect(out).toContain(`token   ${file}`)
    expect(out).toContain('http://127.0.0.1:0 false')
    expect(out).toContain('No provider is configured')
    expect(out + error).not.toContain(given)
  })
})
