/** Names and ids find a spelling that every wire takes, and find their way back. */
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { deriveToolId, mapToolIds, wireToolId, type IdRule } from '../../../src/protocol/tool-ids.ts'
import { mapToolNames, type NameRule } from '../../../src/protocol/tool-names.ts'

const nameRules = {
  openai: /^[A-Za-z0-9_-]{1,64}$/,
  anthropic: /^[A-Za-z0-9_-]{1,128}$/,
  google: /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/,
} as const satisfies Record<NameRule, RegExp>

const idRules = {
  openai: /^.{1,64}$/,
  anthropic: /^[a-zA-Z0-9_-]+$/,
  google: /^[^]+$/,
} as const satisfies Record<IdRule, RegExp>

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('a', '.', ':', '_', '-', '/', '9', ' ', 'é'), maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('a', '.', '_'), minLength: 60, maxLength: 140 }),
  fc.constantFrom('', '__proto__', 'constructor', 'toString'),
)

describe.each(Object.keys(nameRules) as NameRule[])('mapToolNames for %s', (rule) => {
  it('gives every name a spelling that fits, one-to-one, and spells it back', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 12 }), fc.array(anyName, { maxLength: 4 }), (declared, late) => {
        const table = mapToolNames(declared, rule)
        const names = [...new Set([...declared, ...late])]
        const wires = names.map((name) => table.toWire(name))
        for (const wire of wires) expect(wire).toMatch(nameRules[rule])
        expect(new Set(wires).size).toBe(names.length)
        expect(wires.map((wire) => table.restore.get(wire) ?? wire)).toEqual(names)
      }),
    )
  })

  it('does not depend on the order of the names, and leaves those alone that fit', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 8 }), (names) => {
        const forward = mapToolNames(names, rule)
        const backward = mapToolNames(names.toReversed(), rule)
        for (const name of names) expect(backward.toWire(name)).toBe(forward.toWire(name))
        const fitting = names.filter((name) => nameRules[rule].test(name))
        expect(fitting.map((name) => forward.toWire(name))).toEqual(fitting)
      }),
    )
  })
})

describe('mapToolNames', () => {
  it('keeps names readable while nothing else has the cleaned name', () => {
    const table = mapToolNames(['fs.read', 'mcp:fs/write'], 'openai')
    expect(table.toWire('fs.read')).toBe('fs_read')
    expect(table.toWire('mcp:fs/write')).toBe('mcp_fs_write')
    expect([...table.restore]).toEqual([
      ['fs_read', 'fs.read'],
      ['mcp_fs_write', 'mcp:fs/write'],
    ])
  })

  it('adds a hash where names would meet, also when a caller declared the hashed name himself', () => {
    const clash = mapToolNames(['a.b', 'a:b', 'a_b'], 'openai')
    expect(clash.toWire('a_b')).toBe('a_b')
    expect(clash.toWire('a.b')).toMatch(/^a_b_[0-9a-f]{8}$/)
    const taken = clash.toWire('a.b')
    const again = mapToolNames(['a.b', 'a:b', 'a_b', taken], 'openai')
    expect(again.toWire(taken)).toBe(taken)
    expect(again.toWire('a.b')).not.toBe(taken)
    expect(again.restore.get(again.toWire('a.b'))).toBe('a.b')
  })

  it('keeps dots and colons for Google and gives a digit a first letter', () => {
    const table = mapToolNames(['fs.read:x', '1st', ''], 'google')
    expect(table.toWire('fs.read:x')).toBe('fs.read:x')
    expect(table.toWire('1st')).toBe('_1st')
    expect(table.toWire('')).toBe('_')
  })
})

describe.each(Object.keys(idRules) as IdRule[])('wireToolId for %s', (rule) => {
  it('fits, is the same every time, and changes nothing when applied again', () => {
    fc.assert(
      fc.property(anyName, (id) => {
        const wire = wireToolId(id, rule)
        expect(wire).toMatch(idRules[rule])
        expect(wireToolId(id, rule)).toBe(wire)
        expect(wireToolId(wire, rule)).toBe(wire)
        expect(wire === id || !/^[A-Za-z0-9_-]{1,40}$/.test(id)).toBe(true)
      }),
    )
  })

  it('agrees with the table, which spells back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyName, { maxLength: 8 }), (ids) => {
        const table = mapToolIds(ids, rule)
        const wires = ids.map((id) => table.toWire(id))
        expect(wires.map((wire) => table.restore.get(wire) ?? wire)).toEqual(ids)
        // Two ids of lone surrogates that share their cleaned text still differ.
        expect(new Set(ids.map((id) => wireToolId(id, rule))).size).toBe(ids.length)
        expect(wires).toEqual(ids.map((id) => wireToolId(id, rule)))
      }),
    )
  })
})

describe('tool ids', () => {
  it('maps an id of a hundred characters to forty, with a readable head', () => {
    const long = `call_${'x'.repeat(100)}`
    expect(wireToolId(long, 'openai')).toMatch(/^call_x{26}_[0-9a-f]{8}$/)
    expect(wireToolId(long, 'anthropic')).toBe(long)
    expect(wireToolId('functions.bash:0', 'anthropic')).toMatch(/^functions_bash_0_[0-9a-f]{8}$/)
    expect(wireToolId('functions.bash:0', 'google')).toBe('functions.bash:0')
  })

  it('derives the same id for the same place of the same answer, and another for every other', () => {
    const id = deriveToolId('resp_1', 0, 0)
    expect(id).toMatch(/^call_[0-9a-f]{24}$/)
    expect(deriveToolId('resp_1', 0, 0)).toBe(id)
    const others = [deriveToolId('resp_1', 0, 1), deriveToolId('resp_1', 1, 0), deriveToolId('resp_', 10, 0)]
    expect(new Set([id, ...others]).size).toBe(4)
  })
})
