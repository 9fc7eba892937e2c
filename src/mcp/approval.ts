/** Asks the client's user before a call above the operator's threshold, in both eras of the protocol by one way of asking. */
import { createHash } from 'node:crypto'
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  inputRequired,
  inputResponse,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { ApprovalAnswer, ApprovalQuestion } from '../gateway/call.ts'
import type { Clock } from '../lib/clock.ts'
import { createId, randomBytesOf } from '../lib/id.ts'
import { formatUsd, parseUsd } from '../money.ts'

/** Seconds a question may lie before its user; the same hour that an operator has. */
const TTL_SECONDS = 3_600

/** What a question was about, sealed: the client brings it back with the answer and cannot change it. */
type Asked = { readonly id: string; readonly call: string; readonly provider: string; readonly upToUsd: string }

/** The questions of one process: it alone can tell which it has asked, and each yes counts once. */
export type Approvals = {
  /** For the SDK: opens what a client brings back. @throws for what this process has not sealed. */
  verify(state: string, context: ServerContext): Promise<unknown>
  /** @returns `undefined` for a client that cannot ask its user. */
  of(server: McpServer, context: ServerContext, input: unknown): Approver | undefined
}

/** One call of a tool, and what its user says to it. */
export type Approver = {
  approve(question: ApprovalQuestion): Promise<ApprovalAnswer>
  /** The result that puts the question to the user, if there is one that waits. */
  pending(): Promise<InputRequiredResult | undefined>
}

export function createApprovals({ now }: Pick<Clock, 'now'>): Approvals {
  const codec = createRequestStateCodec<Asked>({ key: randomBytesOf(32), ttlSeconds: TTL_SECONDS })
  // Bounded by those who could answer: only what a user has said yes to within the hour.
  const used = new Map<string, number>()
  return {
    verify: (state, context) => codec.verify(state, context),
    of(server, context, input) {
      if (!canAsk(server, context)) return undefined
      const call = createHash('sha256').update(JSON.stringify(input)).digest('hex')
      let waiting: ApprovalQuestion | undefined
      return {
        async approve(question) {
          const asked = context.mcpReq.requestState<Asked | undefined>()
          const response = inputResponse(context.mcpReq.inputResponses, 'approval')
          if (response.kind === 'elicit' && asked !== undefined) {
            const isYes = response.action === 'accept' && response.content?.['approve'] === true
            if (!isYes) return 'no'
            if (covers(asked, call, question) && useOnce(used, asked.id, now())) return 'yes'
          }
          waiting = question
          return 'later'
        },
        async pending() {
          if (waiting === undefined) return undefined
          const { provider, amountUsd } = waiting
          const asked: Asked = { id: createId('ask', now()), call, provider, upToUsd: formatUsd(amountUsd) }
          return inputRequired({ inputRequests: { approval: elicitation(waiting) }, requestState: await codec.mint(asked, context) })
        },
      }
    },
  }
}

/** The answer holds for the very call it was asked for, and for no more than was shown. */
function covers(asked: Asked, call: string, { provider, amountUsd }: ApprovalQuestion): boolean {
  return asked.call === call && asked.provider === provider && amountUsd <= parseUsd(asked.upToUsd)
}

function useOnce(used: Map<string, number>, id: string, now: number): boolean {
  for (const [old, at] of used) {
    if (now - at < TTL_SECONDS * 1_000) break
    used.delete(old)
  }
  if (used.has(id)) return false
  used.set(id, now)
  return true
}

function elicitation({ model, provider, mode, amountUsd, thresholdUsd }: ApprovalQuestion) {
  return inputRequired.elicit({
    message: `Pay ${provider} up to $${formatUsd(amountUsd)} (${mode}) for one call of ${model}? Calls above $${formatUsd(thresholdUsd)} need your approval.`,
    requestedSchema: {
      type: 'object',
      properties: { approve: { type: 'boolean', title: 'Approve this payment', default: false } },
      required: ['approve'],
    },
  })
}

/** In the 2026 revision each request says what its client can do; before, the handshake did. No mode named means forms. */
function canAsk(server: McpServer, { mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as Readonly<Record<string, ClientCapabilities | undefined>> | undefined
  const capabilities = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.server.getClientCapabilities()
  const elicitation = capabilities?.elicitation
  if (elicitation === undefined) return false
  return elicitation.form !== undefined || elicitation.url === undefined
}
