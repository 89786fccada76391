import type { ProviderCall } from './provider.ts';
import { isProviderError, withEffect } from './provider-error.ts';

/**
 * Runs an operation of several requests. Once one of its steps has gone through, no later failure of it, such as a
 * read that finds nobody, may claim that nothing happened.
 */
export async function rememberingSteps<T>(
  call: ProviderCall,
  work: (call: ProviderCall) => Promise<T>,
): Promise<T> {
  let acted = false;
  const watched: ProviderCall = {
    ...call,
    async step(name, send) {
      const done = await call.step(name, send);
      acted = true;
      return done;
    },
  };
  try {
    return await work(watched);
  } catch (error) {
    throw acted && isProviderError(error) && error.report.effect === 'none'
      ? withEffect(error, 'applied')
      : error;
  }
}
