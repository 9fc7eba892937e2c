/** A JSON object in a wire schema, passed on as it is: a record or a loose object would lose a member called `__proto__`. */
import * as z from 'zod'
import { isRecord } from '../lib/json.ts'

export const jsonObject = z.custom<Record<string, unknown>>((value) => isRecord(value), 'must be an object')
