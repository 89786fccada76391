import type { ProviderView } from '../../core/views.ts';
import { formatAge } from '../describe-sandbox.ts';
import { fittingTable } from '../fit.ts';
import { type AddCommand, asking } from './command.ts';

export const addProviders: AddCommand = (program, context) => {
  program
    .command('providers')
    .description('health, capacity and queue of each provider, as the workers last published it')
    .action(
      asking<object, []>(context, async ({ connection: { client }, output }) => {
        const providers = await client.providers();
        output.show(providers, (width) => describeProviders(providers, width));
      }),
    );
};

function describeProviders(providers: readonly ProviderView[], width: number): string {
  if (providers.length === 0) return 'No worker has published anything yet: is one running?';
  return fittingTable(
    ['provider', 'health', 'breaker', 'keeps memory', 'free memory', 'waiting', 'active', 'heard of', ''],
    byName(providers).map(({ provider, healthy, detail, breaker, preservesRam, queue, ageMs, ...more }) => [
      provider,
      healthy ? 'ok' : 'AILING',
      breaker,
      preservesRam ? 'yes' : 'no',
      freeMemory(more.capacity),
      String(queue.waiting),
      String(queue.active),
      `${formatAge(ageMs)} ago`,
      [more.simulated ? 'simulated' : '', healthy ? '' : detail, more.overCapacity ?? '']
        .filter((remark) => remark !== '')
        .join('; '),
    ]),
    { width, dispensable: ['keeps memory', 'heard of'] },
  );
}

/** They come in the order of a hash, which is another one each time. */
function byName(providers: readonly ProviderView[]): readonly ProviderView[] {
  return [...providers].sort((one, other) => (one.provider < other.provider ? -1 : 1));
}

const MIB_PER_GIB = 1024;

/** Of the nodes that take new guests. */
function freeMemory(capacity: ProviderView['capacity']): string {
  const open = capacity?.nodes.filter(({ online, cordoned }) => online && !cordoned);
  if (open === undefined || open.length === 0) return '';
  const freeMib = open.reduce((sum, { memoryMib, usedMib, reservedMib }) => {
    return sum + Math.max(0, memoryMib - usedMib - reservedMib);
  }, 0);
  return `${(freeMib / MIB_PER_GIB).toFixed(1)} GiB`;
}
