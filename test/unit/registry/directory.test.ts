/** A registry directory on a real disk: what is loaded, what is left out, and what is said about it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadRegistryDirectory, MAX_PROVIDERS } from '../../../src/registry/directory.ts'
import { verifies } from '../../support/verifies.ts'

const folders: string[] = []

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'registry-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const CANONICAL = 'models: [{id: a/one, name: One, input_modalities: text, output_modalities: text}]\n'
const manifest = (id: string, more = 'models_url: https://x.dev/models') => `id: ${id}\nname: ${id}\nendpoint: https://x.dev\n${more}\n`

describe('loadRegistryDirectory', () => {
  it('loads what is good in the order of the ids and tells of the rest', async () => {
    verifies('registry.layout.canonical', 'registry.layout.providers')
    const folder = folderWith({
      'canonical.yaml': CANONICAL,
      'providers/zoo.yaml': manifest('zoo', 'models: [{id: a/one, provider_model_id: One-1}]'),
      'providers/acme.yaml': manifest('acme'),
      'providers/wrong.yaml': manifest('right'),
      'providers/ghost.yaml': manifest('ghost', 'models: [{id: a/two}]'),
      'providers/empty.yaml': manifest('empty', 'weight: 1'),
      'providers/idle.yaml': manifest('idle', 'status: staging'),
      'providers/notes.txt': 'hello',
    })
    const { definitions, problems, canonical } = await loadRegistryDirectory(folder)
    expect(definitions.map(({ provider }) => provider.id)).toEqual(['acme', 'idle', 'zoo'])
    expect([...canonical.models.keys()]).toEqual(['a/one'])
    expect(problems.map(({ file, code }) => `${file} ${code}`).toSorted()).toEqual([
      'providers/empty.yaml no_models',
      'providers/ghost.yaml unknown_canonical',
      'providers/notes.txt file_name',
      'providers/wrong.yaml id_mismatch',
    ])
  })

  it('checks no references where there is no vocabulary', async () => {
    const { definitions, problems } = await loadRegistryDirectory(folderWith({ 'providers/a.yaml': manifest('a', 'models: [{id: x/y}]') }))
    expect([definitions.length, problems]).toEqual([1, []])
  })

  it('follows no link and reads no large file', async () => {
    const folder = folderWith({ 'providers/big.yaml': `# ${'x'.repeat(100_000)}`, 'secret.txt': manifest('link') })
    symlinkSync(join(folder, 'secret.txt'), join(folder, 'providers', 'link.yaml'))
    const { definitions, problems } = await loadRegistryDirectory(folder)
    expect(definitions).toEqual([])
    expect(problems.map(({ file, code }) => [file, code])).toEqual([
      ['providers/big.yaml', 'file_too_large'],
      ['providers/link.yaml', 'not_a_file'],
    ])
  })

  it('reads nothing of a folder with too many files', async () => {
    const files = Object.fromEntries(Array.from({ length: MAX_PROVIDERS + 1 }, (_, index) => [`providers/p${index}.yaml`, '']))
    const { definitions, problems } = await loadRegistryDirectory(folderWith(files))
    expect([definitions, problems.map(({ code }) => code)]).toEqual([[], ['too_many_providers']])
  })

  it('says when there is no registry at all', async () => {
    expect((await loadRegistryDirectory(folderWith({}))).problems).toMatchObject([{ code: 'folder_missing' }])
  })
})
