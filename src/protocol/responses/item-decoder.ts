/** Decodes one output item, event by event or whole, into parts. */
import { createCallDecoder } from './call-decoder.ts'
import { clientTools } from './client-tools.ts'
import { createMessageDecoder } from './message-decoder.ts'
import { CANDIDATE, type Emitter, type ItemDecoder, type Json } from './output-item.ts'
import { createReasoningDecoder } from './reasoning-decoder.ts'

/** Chooses the decoder by the item's type. */
export function createItemDecoder(type: string, emitter: Emitter): ItemDecoder {
  switch (type) {
    case 'message':
      return createMessageDecoder(emitter)
    case 'reasoning':
      return createReasoningDecoder(emitter)
    case 'function_call':
    case 'custom_tool_call':
      return createCallDecoder(emitter, type === 'custom_tool_call')
    default:
      return createVendorDecoder(type, emitter)
  }
}

/** Guesses an item's type by an event of it, for servers that do not announce items. */
export function typeOfEvent(event: string): string | undefined {
  if (/^response\.(?:content_part|output_text|refusal)\./.test(event)) return 'message'
  if (event.startsWith('response.reasoning')) return 'reasoning'
  if (event.startsWith('response.function_call_arguments.')) return 'function_call'
  return event.startsWith('response.custom_tool_call_input.') ? 'custom_tool_call' : undefined
}

/** Hosted tools' items: only whole ones are shown, and only callers of this wire can see more in them than that. */
function createVendorDecoder(type: string, { emit, nextBlock }: Emitter): ItemDecoder {
  let begun: Json = {}
  return {
    begin: (item) => {
      begun = item
    },
    push: () => undefined,
    end: (item) => {
      const whole = 'type' in item ? item : begun
      if (!('type' in whole)) return
      const { result, output_format: format } = whole
      const extra =
        type === 'image_generation_call' && typeof result === 'string' && result !== ''
          ? ({ kind: 'image', mimeType: `image/${typeof format === 'string' ? format : 'png'}`, base64: result } as const)
          : ({ kind: 'foreign', wire: 'responses', raw: whole } as const)
      emit({ type: 'extra', block: nextBlock(), candidate: CANDIDATE, extra })
    },
    shape: () => ({ isCall: clientTools.some(({ callType }) => callType === type), isBrokenCall: false, hasRefusal: false }),
  }
}
