/** What may not be in the repository: hosts and paths of one machine, and tests that do not test. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { firstDifference, isLockCurrent, isNodeNewEnough } from '../scripts/ensure-installed.mjs'
import { blank, listFiles, root } from './support/sources.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { version?: string; optional?: boolean; hasInstallScript?: boolean }>
}

describe('dependencies', () => {
  test('the lockfile says what to install and not from where', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"|registry/)
    expect(existsSync(join(root, '.npmrc')) ? read('.npmrc') : '').not.toMatch(/registry|_auth|token/i)
  })

  test('the lockfile is the manifest’s, and every version is exact', () => {
    expect(isLockCurrent(manifest, lock)).toBe(true)
    const versions = Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] })
    expect(versions.filter(([, version]) => !/^(?:npm:@?[a-z0-9/-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))).toEqual([])
  })

  test('no package that is shipped runs a script when it is installed', () => {
    const development = new Set(
      Object.entries(lock.packages)
        .filter(([, entry]) => (entry as { dev?: boolean }).dev === true)
        .map(([path]) => path),
    )
    const scripted = Object.entries(lock.packages).filter(
      ([path, { hasInstallScript }]) => hasInstallScript === true && !development.has(path),
    )
    expect(scripted.map(([path]) => path)).toEqual([])
    expect(Object.keys(manifest['scripts'] ?? {}).filter((name) => /^(?:pre|post)?install$|^prepare$/.test(name))).toEqual([])
  })
})

describe('ensure-installed', () => {
  const wanted = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/@b/c': { version: '2.0.0', optional: true } } }

  test.each([
    [undefined, 'nothing is installed'],
    [{ packages: {} }, 'a is missing'],
    [{ packages: { 'node_modules/a': { version: '1.0.1' } } }, 'a is 1.0.1, the lockfile has 1.0.0'],
    [
      { packages: { 'node_modules/a': { version: '1.0.0' }, 'node_modules/@b/c': { version: '1.9.0' } } },
      '@b/c is 1.9.0, the lockfile has 2.0.0',
    ],
    [{ packages: { 'node_modules/a': { version: '1.0.0' } } }, undefined],
  ])('%j', (installed, difference) => {
    expect(firstDifference(wanted, installed)).toBe(difference)
  })

  test.each([
    ['20.19.0', true],
    ['20.20.2', true],
    ['22.1.0', true],
    ['20.18.3', false],
    ['18.20.0', false],
  ])('Node %s: %s', (version, enough) => {
    expect(isNodeNewEnough(version, '>=20.19')).toBe(enough)
  })
})

describe('tests', () => {
  const tests = listFiles('test', ['.ts']).map((path) => ({ path, code: blank(read(path), { strings: true }) }))

  test.each([
    ['skipped, focused or postponed', /\b(?:test|it|describe|suite)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b/],
    ['mocked where the real thing can run', /\bvi\s*\.\s*(?:mock|doMock|stubGlobal)\b/],
    ['repeated until it passes', /\bretry\s*:\s*[1-9]/],
  ])('none is %s', (_, pattern) => {
    expect(tests.filter(({ code }) => pattern.test(code)).map(({ path }) => path)).toEqual([])
  })
})

test('no tracked text names a folder of one machine or a package host', () => {
  const tracked = existsSync(join(root, '.git')) ? execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0') : []
  const texts = tracked.filter(
    (path) =>
      /\.(?:ts|mjs|js|json|ya?ml|md|c|h|sol|toml)$|^\.ci\//.test(path) &&
      !path.startsWith('test/fixtures/') &&
      existsSync(join(root, path)),
  )
  // Written in two parts, so that this file does not name them itself.
  const places = new RegExp(['/(?:', 'root|work|Users|home/[a-z]+)/[a-zA-Z.]', '|registry\\.', 'npmjs|deb\\.', 'debian'].join(''))
  expect(texts.filter((path) => places.test(read(path)))).toEqual([])
})
