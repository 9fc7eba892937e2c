/** Finds model servers on this machine, where they listen unless told otherwise; only ever asked for by `routeplane init --local`. */
import { modelId } from '../config/fields.ts'
import { isRecord, tryParseJson } from '../lib/json.ts'

export type LocalServer = {
  /** What its block in the config is called. */
  readonly id: string
  readonly name: string
  /** Speaks Chat Completions and lists its models below this. */
  readonly baseUrl: string
}

/** By the ports of their own documentation. */
export const localServers: readonly LocalServer[] = [
  // https://docs.ollama.com/api/openai-compatibility
  { id: 'ollama', name: 'Ollama', baseUrl: 'http://127.0.0.1:11434/v1' },
  // https://lmstudio.ai/docs/developer/openai-compat
  { id: 'lm-studio', name: 'LM Studio', baseUrl: 'http://127.0.0.1:1234/v1' },
  // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
  { id: 'vllm', name: 'vLLM', baseUrl: 'http://127.0.0.1:8000/v1' },
]

export type FoundServer = LocalServer & { readonly models: readonly string[] }

/** Nobody on this machine takes longer to list what it has. */
const TIMEOUT_MS = 2_000
const MAX_MODELS = 100
const MAX_CHARACTERS = 1_000_000

/** Asks all of them at once; who does not answer with a list of models is not there. */
export async function findLocalServers(servers: readonly LocalServer[]): Promise<readonly FoundServer[]> {
  const asked = await Promise.all(servers.map(async (server) => ({ ...server, models: await modelsOf(server) })))
  return asked.flatMap(({ models, ...server }) => (models === undefined ? [] : [{ ...server, models }]))
}

async function modelsOf({ baseUrl }: LocalServer): Promise<readonly string[] | undefined> {
  try {
    const response = await fetch(`${baseUrl}/models`, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = response.ok ? await response.text() : ''
    const list = text.length > MAX_CHARACTERS ? undefined : tryParseJson(text)
    if (!isRecord(list) || !Array.isArray(list['data'])) return undefined
    const ids = list['data'].map((row: unknown) => modelId.safeParse(isRecord(row) ? row['id'] : undefined))
    return [...new Set(ids.flatMap(({ data }) => data ?? []))].slice(0, MAX_MODELS)
  } catch {
    // Refused, silent or no list: in each case there is no such server.
    return undefined
  }
}
