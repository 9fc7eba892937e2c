/** The SDK's own validator of what a person has filled in, loaded when one has: it is a third of all that a start would read. */
import { createRequire } from 'node:module'
import type { jsonSchemaValidator } from '@modelcontextprotocol/server'

type Validators = { readonly AjvJsonSchemaValidator: new () => jsonSchemaValidator }

/** The SDK asks for it in the middle of an answer and does not wait, so it cannot come by `import()`. */
export const lateValidator: jsonSchemaValidator = {
  getValidator(schema) {
    const { AjvJsonSchemaValidator } = createRequire(import.meta.url)('@modelcontextprotocol/server/validators/ajv') as Validators
    return new AjvJsonSchemaValidator().getValidator(schema)
  },
}
