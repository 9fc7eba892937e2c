/** What V8 is told for a process that serves. */
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { earlyFlags } from '../../src/cli/compile-early.ts'

describe('the flags for early compilation', () => {
  it('are all known to this Node, which would complain of others on stderr', () => {
    const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
    for (const flag of earlyFlags(process.versions.v8)) {
      const [name = ''] = flag.replace(/^--(?:no-)?/, '').split('=')
      expect(known).toContain(`  --${name} (`)
    }
  })

  it('are given to Node 20 and to none after it', () => {
    expect(earlyFlags('11.3.244.8-node.30')).not.toEqual([])
    expect(earlyFlags('12.4.254.21-node.33')).toEqual([])
    expect(earlyFlags('13.6.233.10-node.28')).toEqual([])
  })
})
