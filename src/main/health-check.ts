/** For container health checks: 0 when the process in this container is ready. Asks the port given, or the configured one. */
const { HEALTH_PORT, PORT } = process.env;
const DEFAULT_PORT = '8787';
const TIMEOUT_MS = 2_500;

const port = process.argv[2] ?? HEALTH_PORT ?? PORT ?? DEFAULT_PORT;
const isReady = await fetch(`http://127.0.0.1:${port}/readyz`, {
  signal: AbortSignal.timeout(TIMEOUT_MS),
}).then(
  ({ ok }) => ok,
  () => false,
);
process.exitCode = isReady ? 0 : 1;

// Makes this a module.
export {};
