/** Seeds every property test, so that a run says the same twice: `ROUTEPLANE_LAWS_SEED=random` looks further, a number looks again. */
import { configureGlobal } from 'fast-check'

const asked = process.env['ROUTEPLANE_LAWS_SEED'] ?? '2019'

if (asked !== 'random') configureGlobal({ seed: Number(asked) })
