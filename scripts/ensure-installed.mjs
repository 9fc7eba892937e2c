/** Installs what package-lock.json asks for when node_modules does not hold it, and refuses a Node that is too old. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Tells whether `version` (as in `process.versions.node`) satisfies a range of the one form we use, `>=major.minor`.
 *
 * @param {string} version
 * @param {string} range
 */
export function isNodeNewEnough(version, range) {
  const wanted = /^>=(\d+)\.(\d+)(?:\.\d+)?$/.exec(range)
  if (wanted === null) throw new Error(`engines.node is ${JSON.stringify(range)}; only ">=major.minor" is understood here`)
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor, wantedMinor] = [Number(wanted[1]), Number(wanted[2])]
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/**
 * Compares the lockfile with npm's own record of what it has installed, so that a plain `npm ci` counts too.
 *
 * Packages of other platforms are optional in the lockfile and may be absent.
 *
 * @param {{ packages: Record<string, { version?: string, optional?: boolean, link?: boolean }> }} lock
 * @param {{ packages: Record<string, { version?: string }> } | undefined} installed
 * @returns {string | undefined} the first difference, or `undefined` when everything needed is there
 */
export function firstDifference(lock, installed) {
  if (installed === undefined) return 'nothing is installed'
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === '' || wanted.link === true) continue
    const found = installed.packages[path]
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    if (found === undefined) {
      if (wanted.optional !== true) return `${name} is missing`
    } else if (found.version !== wanted.version) return `${name} is ${found.version}, the lockfile has ${wanted.version}`
  }
  return undefined
}

/**
 * The lockfile's copy of our own dependency lists must be the package's: `npm ci` would fail with a much longer text.
 *
 * @param {Record<string, unknown>} manifest
 * @param {{ packages: Record<string, Record<string, unknown>> }} lock
 */
export function isLockCurrent(manifest, lock) {
  return ['dependencies', 'devDependencies'].every((field) => sorted(manifest[field]) === sorted(lock.packages['']?.[field]))
}

/** @param {unknown} list */
function sorted(list) {
  return JSON.stringify(Object.entries(list ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * @param {string} path
 * @returns {any} the parsed file; `undefined` when it is not there
 */
function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** npm needs a cache it can write to; in some containers the home folder is not. */
function cacheArguments() {
  if (process.env['npm_config_cache'] !== undefined) return []
  try {
    accessSync(homedir(), constants.W_OK)
    return []
  } catch {
    const cache = join(tmpdir(), 'routeplane-npm-cache')
    mkdirSync(cache, { recursive: true })
    return ['--cache', cache]
  }
}

/** @param {string} root */
function install(root) {
  const npm = process.env['npm_execpath']
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  // Not `npm ci`: it refuses a lockfile made where the optional packages of other platforms could not be seen, while
  // this installs the same locked versions and leaves both files alone. Dev dependencies are needed here whatever
  // NODE_ENV says, and nothing we use needs an install script.
  const flags = [
    'install',
    '--no-save',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const result = spawnSync(command, [...first, ...flags, ...cacheArguments()], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32' && command === 'npm',
  })
  if (result.error !== undefined) return `npm could not be started: ${result.error.message}`
  return result.status === 0 ? undefined : `npm install failed with exit code ${result.status ?? result.signal}`
}

/**
 * @param {string} root
 * @returns {{ ok: boolean, line: string }}
 */
export function ensureInstalled(root) {
  const manifest = readJson(join(root, 'package.json'))
  const lock = readJson(join(root, 'package-lock.json'))
  if (!isNodeNewEnough(process.versions.node, manifest.engines.node)) {
    return { ok: false, line: `Node ${process.versions.node} is too old: routeplane needs ${manifest.engines.node}` }
  }
  if (lock === undefined || !isLockCurrent(manifest, lock)) {
    return { ok: false, line: 'package-lock.json does not match package.json: run `npm install` and commit the result' }
  }
  const modules = join(root, 'node_modules')
  const difference = firstDifference(lock, readJson(join(modules, '.package-lock.json')))
  if (difference === undefined) return { ok: true, line: 'dependencies: installed as locked' }
  // A link belongs to another checkout: installing through it would change that one.
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    return { ok: false, line: `dependencies: ${difference}; node_modules is a link, so install where it points to` }
  }
  process.stderr.write(`dependencies: ${difference}; running npm install --no-save --ignore-scripts\n`)
  const failure = install(root)
  return failure === undefined ? { ok: true, line: 'dependencies: installed' } : { ok: false, line: `dependencies: ${failure}` }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { ok, line } = ensureInstalled(resolve(fileURLToPath(import.meta.url), '../..'))
  process.stderr.write(`${line}\n`)
  process.exitCode = ok ? 0 : 1
}
