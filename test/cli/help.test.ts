/** Help, word for word: a change of the command line shows in the diff. */
import { describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { createWorld } from './fake-context.ts'

const help = async (...args: string[]) => {
  const { code, out, error } = await createWorld().run(...args)
  expect([code, error]).toEqual([0, ''])
  return out
}

describe('help', () => {
  it('of everything', async () => {
    expect(await help('--help')).toMatchInlineSnapshot(`
      "routeplane: one endpoint for every model, paid per request within your caps

      Usage: routeplane [command] [options]

      Commands
        init                        Write a commented starter config.
        serve (default)             Serve the four LLM protocols over HTTP.
        mcp                         Serve the MCP tools on standard input and output.
        setup                       Add Routeplane to an MCP client, or with --undo take it out.
        doctor                      Look for what is wrong: config, wallet, chains, providers, gateway.
        demo                        Watch a request being paid, on a chain of play money on this machine.
        models list                 List models with their prices.
        models show                 Show one model with each endpoint that serves it.
        route                       Show where a request would go and what it could cost. Sends nothing.
        providers list              List providers with what they serve and how they are paid.
        providers show              Show one provider: endpoints with their health, limits, and differences between its prices.
        presets list                List the presets a request may name with @name.
        presets show                Show one preset.
        presets set                 Make a preset, or change the given fields of one.
        presets delete              Delete a preset that was kept.
        reload                      Have the running gateway take the config anew.
        wallet create               Make a new wallet in an encrypted key file.
        wallet import               Put a key you have into an encrypted key file.
        wallet status               Show the address, what it holds, and what may still be spent.
        wallet approve              Let Permit2 take a sum, for providers that are paid over it.
        wallet export               Show the private key of a key file, to take it elsewhere.
        receipts list               List payments, newest first.
        receipts show               Show one payment in full.
        receipts verify             Compare one payment with the chain.
        receipts export             Write all payments as CSV or JSON, oldest first.
        receipts statement          Show what a provider was paid in a month, with its totals.
        reconcile                   Compare the ledger with the chains and end what was left open.
        keys create                 Make a key for a caller; it is shown once.
        keys list                   List the keys of callers.
        keys revoke                 End a key at once.
        keys statement              What a caller has used in a month.
        sales list                  List what callers paid, newest first.
        sales show                  Show one sale in full.
        sales collect               Collect what is open, and bring home what lies in channels.
        ledger verify               Check that no row of the ledger was edited, added or removed.
        channels list               List payment channels and what is left in them.
        channels close              Ask the provider to give back what is left in a channel.
        channels withdraw           Take a channel’s money back without the provider.
        invoices list               List what is owed by invoice, and what was closed.
        invoices show               Show one invoice, call by call.
        invoices export             Write one invoice as CSV, JSON, or a page to print.
        invoices close              Close what is owed to a provider for a month.
        approvals list              List calls that wait for approval, newest first.
        approvals allow             Let one call of this shape through, within the hour.
        approvals deny              Refuse calls of this shape for the next hour.
        registry new                Write the manifest of a new provider by questions.
        registry check              Run the listing checklist against a provider's live endpoint.
        registry validate           Check every file of a registry, and with --reachability every provider.
        registry list               List the providers of a registry, one line each.
        registry show               Print one provider's file.
        registry add                Add a provider, or change the given fields of one.
        registry add-model          Attach a canonical model to a provider, or change the given fields of one.
        registry remove-model       Take a model off a provider.
        registry delete             Remove a provider with everything it lists.
        registry canonical list     List the shared vocabulary of models.
        registry canonical add      Add a model to the vocabulary, or change the given fields of one.
        registry canonical remove   Take a model out of the vocabulary, unless a provider lists it.
        registry build              Write providers.json and models.json, for those who fetch the registry over HTTP.
        config check                Check the config and show what it came to, without connecting to anything.

      Options
        -c, --config <file>         Read this config instead of looking for one.
        --format <format>           How to print the result.
        --debug                     Print the stack of an error.
        -h, --help                  Print this.
        --version                   Print the version.

      Exit codes: 0 ok, 1 failed, 2 usage or config, 3 payment or budget, 4 wallet, 5 ledger, 130 interrupted.
      Help on one command: routeplane <command> --help
      "
    `)
    expect(await help('help')).toBe(await help('-h'))
  })

  it('of a group', async () => {
    expect(await help('help', 'wallet')).toMatchInlineSnapshot(`
      "Commands of "wallet"
        wallet create               Make a new wallet in an encrypted key file.
        wallet import               Put a key you have into an encrypted key file.
        wallet status               Show the address, what it holds, and what may still be spent.
        wallet approve              Let Permit2 take a sum, for providers that are paid over it.
        wallet export               Show the private key of a key file, to take it elsewhere.
      "
    `)
  })

  it('of serve, also without its name', async () => {
    expect(await help('serve', '--help')).toMatchInlineSnapshot(`
      "Serve the four LLM protocols over HTTP.

      Usage: routeplane serve [options]

      Stops taking requests at the first interrupt and ends when the running ones are settled.

      Options
        --port <port>               Listen here instead of where the config says; 0 picks a free port.
        -c, --config <file>         Read this config instead of looking for one.
        --format <format>           text or json; text by default.
        --debug                     Print the stack of an error.
        -h, --help                  Print this.
      "
    `)
    expect(await help('help', 'wallet')).toBe(await help('wallet', '--help'))
    expect(await help('help', 'serve')).toBe(await help('serve', '-h'))
  })

  it('of route', async () => {
    expect(await help('route', '--help')).toMatchInlineSnapshot(`
      "Show where a request would go and what it could cost. Sends nothing.

      Usage: routeplane route [model] [options]

      <model> is anything a request may say: maker/name, provider:model, @preset, name:cost.
      --replay shows the decision that was made for a request, by the id in its x-routeplane-request-id.

      Options
        --explain                   Also show every endpoint considered, and why others were not.
        --replay <request id>       Show the decision of a request that was answered or failed.
        --prompt <text>             What would be asked; its length decides the price.
        --max-output-tokens <count>  The longest answer allowed.
        --max-cost <usd>            A cap below the configured ones, such as 0.01.
        -c, --config <file>         Read this config instead of looking for one.
        --format <format>           text or json; text by default.
        --debug                     Print the stack of an error.
        -h, --help                  Print this.
      "
    `)
  })

  it('of wallet import', async () => {
    expect(await help('wallet', 'import', '--help')).toMatchInlineSnapshot(`
      "Put a key you have into an encrypted key file.

      Usage: routeplane wallet import [options]

      The key (64 hex digits) is asked for, or taken from --key-file or standard input; never from the command line.
      With --solana it is what a Solana wallet exports (base58), or the content of id.json.
      The password is asked for, or taken from --password-file or ROUTEPLANE_WALLET_PASSWORD.

      Options
        --solana                    The key that pays on Solana, in a file of its own.
        --key-file <file>           The key is the first line of this file.
        --password-file <file>      The password is the first line of this file.
        -c, --config <file>         Read this config instead of looking for one.
        --format <format>           text or json; text by default.
        --debug                     Print the stack of an error.
        -h, --help                  Print this.
      "
    `)
  })

  it('of receipts export', async () => {
    expect(await help('receipts', 'export', '--help')).toMatchInlineSnapshot(`
      "Write all payments as CSV or JSON, oldest first.

      Usage: routeplane receipts export [options]

      Options
        -c, --config <file>         Read this config instead of looking for one.
        --format <format>           csv or json; csv by default.
        --debug                     Print the stack of an error.
        -h, --help                  Print this.
      "
    `)
  })

  it.each(commands.map(({ name }) => name))('of %s fits a terminal and needs no config', async (name) => {
    const text = await help(...name.split(' '), '--help')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(140)
    expect(text).not.toContain('\u001b')
  })
})
