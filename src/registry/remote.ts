/** A registry somebody publishes as `providers.json` and `models.json`: fetched when it changes, kept on disk, believed no further than a file. */
import { readFile } from 'node:fs/promises'
import { RouteplaneError } from '../errors.ts'
import type { Transport } from '../lib/http-call.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import { readBuilt, type Built, type BuiltKind } from './built.ts'
import { readCanonical } from './canonical.ts'
import { judgeDefinition, MAX_PROVIDERS, type FileProblem, type RegistryDirectory } from './directory.ts'
import { FetchError, fetchDocumentText, fetchFailureOf } from './document-fetch.ts'
import { readManifest } from './manifest.ts'
import type { ProviderDefinition } from './model-row.ts'
import { createProblem, problemsOf } from './problem.ts'
import { writeWhole } from './registry-files.ts'

/** A build of five thousand providers stays below this. */
export const MAX_BUILT_BYTES = 16 * 1024 * 1024
const TOTAL_MS = 15_000

export type RemoteRegistryOptions = {
  /** Of the folder that holds both files, without a trailing slash. */
  readonly url: string
  /** Absolute; where the last good copy is kept. */
  readonly cacheFile: string
  readonly transport: Transport
  readonly log: Log
  /** Whether its manifests may point at this machine: the operator's word, never the registry's. */
  readonly allowLoopback: boolean
}

export type RemoteRegistry = {
  /** The last good copy on disk; `undefined` when there is none of this address that can be read. Asks nobody. */
  cached(): Promise<RegistryDirectory | undefined>
  /** Asks for both files; `undefined` when nothing has changed or nothing better came: then what is there still holds. */
  refresh(signal?: AbortSignal): Promise<RegistryDirectory | undefined>
}

type Copy = { readonly text: string; readonly etag: string | undefined }
type Copies = Readonly<Record<BuiltKind, Copy>>

/**
 * Reads a published registry. It gets no credential, no redirect is followed, and a build older than the kept one is refused:
 * whoever can serve an old copy could bring back a provider that was thrown out.
 */
export function createRemoteRegistry(options: RemoteRegistryOptions): RemoteRegistry {
  let known: Copies | undefined
  const readKnown = async () => (known ??= await readCopies(options))
  return {
    async cached() {
      const copies = await readKnown()
      return copies === undefined ? undefined : compose(copies, options)
    },
    async refresh(signal) {
      const before = await readKnown()
      try {
        const timeout = AbortSignal.timeout(TOTAL_MS)
        const fetched = await fetchCopies(before, options, signal === undefined ? timeout : AbortSignal.any([signal, timeout]))
        if (fetched === undefined) return undefined
        const content = await compose(fetched, options)
        if (before !== undefined) refuseOlder(fetched, before)
        known = fetched
        await writeWhole(options.cacheFile, JSON.stringify({ url: options.url, ...fetched }))
        return content
      } catch (thrown) {
        const { code, message } = fetchFailureOf(thrown)
        options.log.warn('registry kept as it was', { url: options.url, code, reason: message })
        return undefined
      }
    },
  }
}

/** @returns `undefined` when neither file has changed. */
async function fetchCopies(before: Copies | undefined, options: RemoteRegistryOptions, signal: AbortSignal): Promise<Copies | undefined> {
  const fetchOne = async (kind: BuiltKind): Promise<Copy> => {
    const known = before?.[kind]
    const etag = known?.etag
    const request = { transport: options.transport, signal, maxBytes: MAX_BUILT_BYTES, ...(etag === undefined ? {} : { etag }) }
    const answer = await fetchDocumentText(`${options.url}/${kind}.json`, request)
    if (answer !== 'unchanged') return answer
    if (known === undefined) throw new FetchError('bad_status', 'the answer was 304 though nothing was known')
    return known
  }
  const [providers, models] = await Promise.all([fetchOne('providers'), fetchOne('models')])
  const isSame = providers.text === before?.providers.text && models.text === before.models.text
  return isSame ? undefined : { providers, models }
}

function refuseOlder(fetched: Copies, before: Copies): void {
  const [fresh, kept] = [readBuilt('providers', fetched.providers.text).serial, readBuilt('providers', before.providers.text).serial]
  if (fresh < kept) throw new FetchError('bad_document', `its serial ${fresh} is below ${kept}, which was here before`)
}

/** @throws RouteplaneError `manifest_invalid` when the files are none, or of two different builds. */
async function compose({ providers, models }: Copies, { allowLoopback }: RemoteRegistryOptions): Promise<RegistryDirectory> {
  const [listed, vocabulary] = [readBuilt('providers', providers.text), readBuilt('models', models.text)]
  if (listed.serial !== vocabulary.serial) {
    throw new RouteplaneError('manifest_invalid', `providers.json is build ${listed.serial} and models.json ${vocabulary.serial}`)
  }
  return readBuiltRegistry(listed, vocabulary, allowLoopback)
}

/** Reads the rows of both files by the rules of a directory: what has a problem is left out, the others stay. */
async function readBuiltRegistry(listed: Built, vocabulary: Built, allowLoopback: boolean): Promise<RegistryDirectory> {
  if (listed.rows.length > MAX_PROVIDERS) throw new RouteplaneError('manifest_invalid', `more than ${MAX_PROVIDERS} providers are listed`)
  const canonical = readCanonical({ models: vocabulary.rows.map(withoutProviders) }, 'models.json')
  const definitions = new Map<string, ProviderDefinition>()
  const problems: FileProblem[] = []
  for (const [index, row] of listed.rows.entries()) {
    const file = `providers.json[${index}]`
    try {
      const definition = await readManifest(row, { file, allowLoopback })
      const { id } = definition.provider
      const found = definitions.has(id) ? [createProblem('duplicate_id', `${id} is listed twice`)] : judgeDefinition(definition, canonical)
      problems.push(...found.map((problem) => ({ ...problem, file })))
      if (found.length === 0) definitions.set(id, definition)
    } catch (error) {
      problems.push(...problemsOf(error).map((problem) => ({ ...problem, file })))
    }
  }
  return { canonical, definitions: [...definitions.values()], problems }
}

/** A build says beside each model who serves it; the manifests say so themselves. */
function withoutProviders(row: unknown): unknown {
  if (!isRecord(row)) return row
  const { providers, ...own } = row
  void providers
  return own
}

/** @returns `undefined` for no file, another address, or what a crash or a stranger has left there. */
async function readCopies({ url, cacheFile }: RemoteRegistryOptions): Promise<Copies | undefined> {
  const text = await readFile(cacheFile, 'utf8').catch(() => undefined)
  const kept = text === undefined ? undefined : tryParseJson(text)
  if (!isRecord(kept) || kept['url'] !== url) return undefined
  const [providers, models] = [copyOf(kept['providers']), copyOf(kept['models'])]
  if (providers === undefined || models === undefined) return undefined
  try {
    readBuilt('providers', providers.text)
    readBuilt('models', models.text)
    return { providers, models }
  } catch {
    return undefined
  }
}

function copyOf(value: unknown): Copy | undefined {
  if (!isRecord(value) || typeof value['text'] !== 'string') return undefined
  return { text: value['text'], etag: typeof value['etag'] === 'string' ? value['etag'] : undefined }
}
