/** The prompts: a second opinion from another model, and the choice of a model for a task. */
import type { Prompt } from './prompt.ts'

export const secondOpinion: Prompt = {
  name: 'second_opinion',
  title: 'Ask another model',
  description: 'Has another model answer a question, within a cost you name, and compares.',
  arguments: [
    { name: 'question', description: 'What to ask.', isRequired: true },
    { name: 'model', description: 'The model to ask; left out, a capable one is chosen.', isRequired: false, isModel: true },
    { name: 'max_cost_usd', description: 'The most it may cost, like 0.05.', isRequired: false },
  ],
  text: ({ question, model, max_cost_usd: cap }) =>
    [
      model === '' ? 'Choose a capable model with list_models.' : `Use the model ${model}.`,
      `Ask it the question below with the tool complete${cap === '' ? '' : `, with max_cost_usd ${cap}`}. Look at the price with dry_run first.`,
      'Then say where its answer and yours agree and differ, and what was paid.',
      '',
      `Question: ${question}`,
    ].join('\n'),
}

export const chooseModel: Prompt = {
  name: 'choose_model',
  title: 'Choose a model',
  description: 'Finds the model with the best price for a task among those that can do it.',
  arguments: [
    { name: 'task', description: 'What the model will be used for.', isRequired: true },
    { name: 'requirements', description: 'Capabilities, context length or limits that matter.', isRequired: false },
  ],
  text: ({ task, requirements }) =>
    [
      'Find models for the task below with list_models, filtered by the features it needs. Compare price, context length and uptime of the three best.',
      'For the best one, show what a typical request would cost with complete and dry_run. Spend nothing.',
      '',
      `Task: ${task}`,
      ...(requirements === '' ? [] : [`Requirements: ${requirements}`]),
    ].join('\n'),
}
