import type { ServicePort } from '../service-ports.ts';
import type { MorphApi } from './morph-api.ts';

/** What the parts of the driver share. */
export interface MorphContext {
  readonly api: MorphApi;
  readonly servicePorts: readonly ServicePort[];
  readonly wakeOn: { readonly http: boolean; readonly ssh: boolean };
  /** After how long without us Morph pauses an instance; 0: never. */
  readonly deadManSeconds: number;
}
