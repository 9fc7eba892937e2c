/** The tools in the order in which clients see them; adding one is a file and a line here. */
import { complete } from './complete.ts'
import { listModels } from './list-models.ts'
import { setPreset } from './set-preset.ts'

export const tools = [listModels, complete, setPreset] as const
