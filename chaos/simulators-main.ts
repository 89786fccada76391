/** Both simulators in a process of their own, so that no kill of a worker touches what they hold. */
import { type LocalSimulatorOptions, simulatedBackends, startLocalSimulators } from '../src/main/backends.ts';
import { loadConfig } from '../src/platform/config.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as LocalSimulatorOptions & { readonly seed: number };
const simulators = await startLocalSimulators(loadConfig({}), options);
process.send?.({ backends: simulatedBackends(simulators), gatewayUrl: simulators.gatewayUrl });
// It ends with whoever started it.
process.on('disconnect', () => process.exit(0));
