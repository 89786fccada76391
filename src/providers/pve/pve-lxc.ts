/** Containers on Proxmox VE: linked clones of templates. A pause shuts them down: their memory is not kept. */
import type { Provider } from '../provider.ts';
import { CONTAINER_KIND, createPveContext, type PveDeps, type PveOptions } from './pve-context.ts';
import { pauseContainer, resumeContainer } from './pve-lxc-power.ts';
import { createPveProvider } from './pve-provider.ts';

export function createPveLxcProvider(deps: PveDeps, options: PveOptions): Provider {
  const context = createPveContext(CONTAINER_KIND, deps, options);
  return createPveProvider(context, {
    preservesRam: false,
    pause: (ref, call) => pauseContainer(ref, context, call),
    resume: (ref, _options, call) => resumeContainer(ref, context, call),
  });
}
