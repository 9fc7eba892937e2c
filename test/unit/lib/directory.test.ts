/** Making directories: those above too, and an error in the end where nothing can be made. */
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeDirectory } from '../../../src/lib/directory.ts'
import { createFolder } from '../../support/folder.ts'

it('makes what is missing, private where it is asked to, and leaves what is there', () => {
  const folder = createFolder('directory')
  const deep = join(folder, 'a', 'b', 'c')
  makeDirectory(deep, 0o700)
  makeDirectory(deep, 0o755)
  expect([join(folder, 'a'), deep].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700])
})

it('says what is in the way', () => {
  const file = join(createFolder('directory'), 'file')
  writeFileSync(file, '')
  expect(() => makeDirectory(file)).toThrow('EEXIST')
  expect(() => makeDirectory(join(file, 'a', 'b'))).toThrow('ENOTDIR')
})

it('comes to an end where a directory takes no entries and calls them missing', () => {
  expect(() => makeDirectory('/proc/self/routeplane/a')).toThrow()
})
