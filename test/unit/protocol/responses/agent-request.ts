/** What a coding agent sends in the middle of its work. */

/** A turn of a coding agent, shortened; fields and order as such agents send them. */
export const agentRequest = {
  model: 'acme/north',
  stream: true,
  input: [
    { type: 'message', id: 'msg_a', role: 'developer', content: [{ type: 'input_text', text: 'You are an agent.' }] },
    { type: 'message', id: 'msg_b', role: 'user', content: [{ type: 'input_text', text: 'say hi' }] },
    { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'thinking' }], content: null, encrypted_content: 'ENC1' },
    { type: 'function_call', status: 'completed', id: 'fc_1', name: 'exec_command', arguments: '{"cmd":"echo hi"}', call_id: 'call_1' },
    { type: 'function_call_output', id: 'fco_1', call_id: 'call_1', output: 'hi\n' },
    { type: 'custom_tool_call', id: 'ctc_1', call_id: 'call_2', name: 'apply_patch', input: '*** Begin' },
    { type: 'custom_tool_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'done' }] },
  ],
  tools: [
    {
      type: 'function',
      name: 'exec_command',
      description: 'd',
      strict: false,
      parameters: { type: 'object', properties: { cmd: { type: 'string' } } },
    },
    { type: 'custom', name: 'apply_patch', description: 'p', format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } },
    { type: 'tool_search', execution: 'client', description: 's', parameters: { type: 'object', properties: {} } },
    { type: 'web_search', external_web_access: false },
  ],
  tool_choice: 'auto',
  parallel_tool_calls: true,
  reasoning: { effort: 'medium' },
  store: false,
  include: ['reasoning.encrypted_content'],
  prompt_cache_key: 'session',
  text: { verbosity: 'low' },
  client_metadata: { turn: '1' },
}
