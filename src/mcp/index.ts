/** What the MCP server offers, in the order in which clients see it; adding a tool, resource or prompt is a file and a line here. */
import { complete } from './complete.ts'
import { listModels } from './list-models.ts'
import { modelResource, modelsResource } from './models-resource.ts'
import { presetResource, presetsResource } from './presets-resource.ts'
import { chooseModel, secondOpinion } from './prompts.ts'
import { receiptResource } from './receipts-resource.ts'
import { setPreset } from './set-preset.ts'

export const tools = [listModels, complete, setPreset] as const

export const resources = [modelsResource, modelResource, receiptResource, presetsResource, presetResource] as const

export const prompts = [secondOpinion, chooseModel] as const
