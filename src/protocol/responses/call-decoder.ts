/** Decodes a call of a function or of a free-form tool. */
import { tryParseJson } from '../../lib/json.ts'
import { CANDIDATE, deltaOf, remainder, type Emitter, type ItemDecoder, type Json } from './output-item.ts'
import { flatName } from './tools.ts'
import { RouteplaneError } from '../../errors.ts'

/**
 * Creates the decoder. The call is announced once its name is known; what came before is given then.
 *
 * {@link ItemDecoder.end} throws `upstream_bad_stream` for a call that never got a name.
 */
export function createCallDecoder({ emit, nextBlock }: Emitter, isFreeform: boolean): ItemDecoder {
  let block: number | undefined
  let text = ''
  let isEnded = false
  let isBroken = false

  const append = (more: string): void => {
    if (more === '' || isEnded) return
    text += more
    if (block !== undefined) emit({ type: 'tool-input-delta', block, text: more })
  }
  const announce = (item: Json): void => {
    const { name, namespace, call_id: callId, id } = item
    if (block !== undefined || typeof name !== 'string' || name === '') return
    block = nextBlock()
    const given = [callId, id].find((each) => typeof each === 'string' && each !== '')
    const known = typeof given === 'string' ? given : `call_${block}`
    emit({ type: 'tool-input-start', block, candidate: CANDIDATE, id: known, name: flatName(namespace, name), freeform: isFreeform })
    if (text !== '') emit({ type: 'tool-input-delta', block, text })
  }
  const writtenIn = (item: Json): unknown => {
    const written = item[isFreeform ? 'input' : 'arguments']
    // Arguments are text by the reference; a server that sends the object itself means its JSON.
    return typeof written === 'object' && written !== null ? JSON.stringify(written) : written
  }
  return {
    begin: (item) => {
      announce(item)
      append(remainder(writtenIn(item), text))
    },
    push: (event) => {
      const type = String(event['type'])
      if (type.endsWith('.delta')) append(deltaOf(event))
      else if (type.endsWith('.done')) append(remainder(writtenIn(event), text))
    },
    end: (item) => {
      if (isEnded) return
      announce(item)
      append(remainder(writtenIn(item), text))
      if (block === undefined) throw new RouteplaneError('upstream_bad_stream', 'the upstream called a tool without naming it')
      if (!isFreeform && text.trim() === '') append('{}')
      isBroken = !isFreeform && tryParseJson(text) === undefined
      isEnded = true
      emit({ type: 'tool-input-end', block })
    },
    shape: () => ({ isCall: true, isBrokenCall: isBroken, hasRefusal: false }),
  }
}
