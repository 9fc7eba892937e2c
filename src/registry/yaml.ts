/** Reads the YAML of a registry: manifests, and the canonical models. */
import { readYaml, type YamlFault, type YamlText } from '../lib/yaml.ts'
import { createProblem, manifestInvalid } from './problem.ts'

export type YamlOptions = {
  /** Bytes of UTF-8 above which the text is refused unread. */
  readonly maxBytes?: number
  /** Named in errors. */
  readonly file?: string
}

export const MAX_YAML_BYTES = 64 * 1024

/** The codes that a registry's problems have always had. */
const codes: Readonly<Record<YamlFault['code'], string>> = {
  too_large: 'file_too_large',
  nesting_too_deep: 'nesting_too_deep',
  aliases_forbidden: 'aliases_forbidden',
  tag_forbidden: 'tags_forbidden',
  duplicate_entry: 'duplicate_key',
  bad_key: 'manifest_invalid',
  syntax: 'manifest_invalid',
}

/**
 * Reads one YAML document, as {@link readYaml} does.
 *
 * @throws RouteplaneError `manifest_invalid` whose problems have the codes `file_too_large`, `nesting_too_deep`,
 *   `aliases_forbidden`, `tags_forbidden`, `duplicate_key` or `manifest_invalid`, each with line and column.
 */
export function readRegistryYaml(text: string, { maxBytes = MAX_YAML_BYTES, file }: YamlOptions = {}): YamlText {
  return readYaml(text, {
    maxBytes,
    refuse: ([first, ...rest]) => manifestInvalid([toProblem(first), ...rest.map(toProblem)], file),
  })
}

function toProblem({ code, message, position }: YamlFault) {
  return createProblem(codes[code], message, [], position)
}
