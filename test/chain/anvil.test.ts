import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { findAnvil, startAnvil } from '../../src/demo/anvil.ts'
import { createRpc } from '../../src/demo/rpc.ts'
import { systemClock } from '../../src/lib/clock.ts'

async function untilGone(url: string): Promise<'gone'> {
  for (const rpc = createRpc(url); ;) {
    const alive = await rpc('eth_chainId').then(
      () => true,
      () => false,
    )
    if (!alive) return 'gone'
    await systemClock.sleep(10)
  }
}

describe('anvil', () => {
  it('is found as the binary itself', async () => {
    await expect(access(findAnvil())).resolves.toBeUndefined()
    expect(findAnvil()).not.toContain('.bin')
  })

  it('runs twice side by side on ports of its own choosing, and is gone once stopped', async () => {
    const both = await Promise.all([startAnvil({ chainId: 84532 }), startAnvil({ chainId: 8453 })])
    expect(new Set(both.map((anvil) => anvil.url)).size).toBe(2)
    expect(await Promise.all(both.map((anvil) => anvil.rpc('eth_chainId')))).toEqual(['0x14a34', '0x2105'])
    await Promise.all(both.map((anvil) => anvil.stop()))
    for (const anvil of both) await expect(anvil.rpc('eth_chainId')).rejects.toMatchObject({ code: 'upstream_unreachable' })
    await expect(both[0].stop()).resolves.toBeUndefined()
  })

  it('says what the node says when a call is wrong', async () => {
    const anvil = await startAnvil({ chainId: 84532 })
    await expect(anvil.rpc('eth_noSuchMethod')).rejects.toMatchObject({ code: 'upstream_error' })
    await anvil.stop()
  })

  it('dies with a parent that is killed', async () => {
    const script = `
      import { startAnvil } from ${JSON.stringify(new URL('../../src/demo/anvil.ts', import.meta.url).href)}
      process.stdout.write((await startAnvil({ chainId: 84532 })).url)
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [url] = (await once(parent.stdout, 'data')) as [Buffer]
    expect(await createRpc(url.toString())('eth_chainId')).toBe('0x14a34')
    parent.kill('SIGKILL')
    expect(await untilGone(url.toString())).toBe('gone')
  })
})
