/** The config that `routeplane init` writes: word for word the routeplane.yaml at the root of the package. */

/** Kept in the code and not read from the package, so that a bundle has it too; a test holds the two together. */
export const starterConfig = `# Routeplane: one endpoint for every model, paid per request within the caps below.
# Check this file with "routeplane config check"; every key has a default.

# Only this machine may connect, and needs no token. Remove skip_auth to be asked for one.
listen:
  host: 127.0.0.1
  port: 4356
skip_auth: true

# What may be spent, in US dollars. There is no "unlimited"; a request may only ask for less.
budget:
  per_request_usd: '0.50'
  per_day_usd: '5'
  # per_month_usd: "50"

# Play money until you say mainnet. Make a wallet with "routeplane wallet create".
# A private key never belongs in this file.
wallet:
  network: testnet

# Where models come from. Uncomment what you have; keys are read from the environment.
providers:
  # openrouter:
  #   api_key: \${OPENROUTER_API_KEY}

  # ollama:
  #   api_base: http://127.0.0.1:11434/v1
  #   models:
  #     - id: llama3.2
  #       pricing: { prompt: "0", completion: "0" }

  # example: # takes x402 payments, no key needed
  #   api_base: https://api.example.com/v1
  #   models_url: https://api.example.com/v1/models
  #   payment:
  #     modes: [x402]
  #     x402_address: "0x…" # in quotes: the only address that will ever be paid

# A name of your own over several sources: the first that answers serves.
# models:
#   local-first:
#     endpoints:
#       - { provider: ollama, model: llama3.2 }
#       - { provider: openrouter, model: meta-llama/llama-3.2-3b-instruct }
`
