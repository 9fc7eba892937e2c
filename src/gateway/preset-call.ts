/** Makes what a preset says a part of the call, as if the caller had said it: his own words win, and the price counts both. */
import { samplingParameters, features, type Needs } from '../completion/features.ts'
import type { CompletionRequest } from '../completion/request.ts'
import { RouteplaneError } from '../errors.ts'
import { spliceJson } from '../lib/json-splice.ts'
import type { Extensions } from '../protocol/extensions.ts'
import type { Protocol, WireRequest } from '../protocol/protocol.ts'
import type { PresetFields } from '../protocol/preset-fields.ts'
import { MESSAGE_TOKENS } from '../protocol/token-bounds.ts'
import { parseModelRef } from '../routing/model-ref.ts'
import { mergePreset, type Preset } from '../routing/preset.ts'
import type { GatewayCall } from './call.ts'
import { protocolOf, type GatewayContext } from './context.ts'

/** What a call asks for once its preset has spoken: `texts` are the model refs to walk. */
export type Chosen = { readonly preset: Preset | undefined; readonly extensions: Extensions; readonly texts: readonly string[] }

const MAX_MODELS = 8

/**
 * Finds the preset a call names, and lays the call's own words over it.
 *
 * @throws RouteplaneError `unknown_preset`, or `invalid_request` for no model at all or too many.
 */
export function choosePreset(call: GatewayCall, context: GatewayContext): Chosen {
  const { model, extensions } = call.read
  const ref = model.startsWith('@') ? parseModelRef(model, () => false) : undefined
  const name = ref?.preset ?? extensions.preset
  const preset = name === undefined ? undefined : context.presets.get(name)
  if (name !== undefined && preset === undefined) {
    throw new RouteplaneError('unknown_preset', `there is no preset ${JSON.stringify(name.slice(0, 64))}`, {
      hint: `Presets: ${
        context.presets
          .list()
          .map((each) => each.name)
          .join(', ') || 'none yet'
      }.`,
    })
  }
  const own = ref === undefined ? model : ref.model
  const merged = preset === undefined ? extensions : mergePreset(extensions, preset, own)
  const suffix = ref?.variant === undefined ? '' : `:${ref.variant}`
  const texts = merged.models?.map((text) => text + suffix) ?? [(own ?? preset?.model ?? '') + suffix]
  if (texts.length > MAX_MODELS)
    throw new RouteplaneError('invalid_request', `models lists ${texts.length} entries; at most ${MAX_MODELS} are walked`)
  if (texts.length === 0 || texts.some((text) => text === ''))
    throw new RouteplaneError('invalid_request', 'neither the request nor a preset names a model')
  return { preset, extensions: merged, texts }
}

/**
 * Applies a preset's system text and parameters. A call that came in on a wire gets them in its bytes and is read again, so
 * that both lanes, routing and the bound see one request; its own fields are not touched.
 *
 * @returns the call itself when the preset has nothing to add.
 * @throws RouteplaneError `invalid_request` when a parameter of the preset is none of the caller's wire.
 */
export function applyPresetFields(call: GatewayCall, preset: Preset | undefined, context: GatewayContext): GatewayCall {
  const { systemPrompt, params = {} } = preset ?? {}
  if ((systemPrompt === undefined || systemPrompt === '') && Object.keys(params).length === 0) return call
  const fields: PresetFields = { params, ...(systemPrompt === undefined || systemPrompt === '' ? {} : { systemPrompt }) }
  if (call.wire === undefined) return applyToParts(call, fields, protocolOf(context, 'chat_completions'))
  const protocol = protocolOf(context, call.wire.protocol)
  const { request } = call.wire
  const members = protocol.caller.presetMembers(request.json, fields)
  if (members.size === 0) return call
  const changed: WireRequest = {
    ...request,
    body: spliceJson(request.body, { set: members }),
    json: { ...request.json, ...Object.fromEntries(members) },
  }
  const { needs } = protocol.caller.read(changed)
  let decoded: CompletionRequest | undefined
  return {
    ...call,
    read: { ...call.read, needs },
    wire: { protocol: protocol.id, request: changed },
    decode: () => (decoded ??= protocol.caller.decodeRequest(changed)),
  }
}

/** A call without a wire takes a preset's parameters by their names in Chat Completions, which most presets are written in. */
function applyToParts(call: GatewayCall, { systemPrompt, params = {} }: PresetFields, chat: Protocol): GatewayCall {
  const given = call.decode()
  const json = { model: 'preset', messages: [{ role: 'user', content: '' }], stream: given.stream, ...params }
  const body = Buffer.from(JSON.stringify(json))
  const wire: WireRequest = { body, json, path: '', query: new URLSearchParams(), headers: {} }
  const preset = chat.caller.decodeRequest(wire)
  const needsSystem = systemPrompt !== undefined && given.system.length === 0 && !given.turns.some(({ role }) => role === 'system')
  const request: CompletionRequest = {
    ...laidUnder(preset, given),
    ...(needsSystem ? { system: [{ text: systemPrompt, role: 'system' as const }] } : {}),
  }
  const added = body.byteLength + (needsSystem ? Buffer.byteLength(systemPrompt) + MESSAGE_TOKENS : 0)
  return { ...call, read: { ...call.read, needs: joined(chat.caller.read(wire).needs, call.read.needs, added) }, decode: () => request }
}

/** What the request says wins, field by field. */
function laidUnder(preset: CompletionRequest, own: CompletionRequest): CompletionRequest {
  return {
    ...preset,
    ...own,
    tools: own.tools.length === 0 ? preset.tools : own.tools,
    sampling: { ...preset.sampling, ...own.sampling },
    stop: own.stop.length === 0 ? preset.stop : own.stop,
    candidates: own.candidates === 1 ? preset.candidates : own.candidates,
    output: own.output.kind === 'text' ? preset.output : own.output,
    account: { ...preset.account, ...own.account },
    unknown: [...preset.unknown, ...own.unknown],
  }
}

function joined(preset: Needs, own: Needs, addedTokens: number): Needs {
  const limit = own.maxOutputTokens ?? preset.maxOutputTokens
  return {
    ...own,
    features: features.filter((feature) => own.features.includes(feature) || preset.features.includes(feature)),
    samplingParameters: samplingParameters.filter(
      (name) => own.samplingParameters.includes(name) || preset.samplingParameters.includes(name),
    ),
    maxInputTokens: own.maxInputTokens + addedTokens,
    candidates: own.candidates === 1 ? preset.candidates : own.candidates,
    ...(limit === undefined ? {} : { maxOutputTokens: limit }),
  }
}
