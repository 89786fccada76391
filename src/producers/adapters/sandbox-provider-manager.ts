import {
  getSandboxProvider,
  type ProviderClient,
  type SandboxConfig,
  type SandboxInstance,
  type SandboxProvider,
  type SandboxStatus,
} from './sandbox-provider.ts';

/**
 * The roadmap's manager. Its own routing is gone: a start's route is planned by the service, which knows health,
 * capacity and rollout, and a sandbox that exists stays where it is. It holds no state, so that any number of
 * processes may have one.
 */
export class SandboxProviderManager {
  readonly #client: ProviderClient;
  readonly #auto: SandboxProvider;

  constructor(client: ProviderClient) {
    this.#client = client;
    this.#auto = getSandboxProvider(client);
  }

  /** The preferred provider while it is healthy, else `auto`, whose starts follow the service's route. */
  async getProvider(config: { readonly preferredProvider?: string } = {}): Promise<SandboxProvider> {
    const provider = getSandboxProvider(this.#client, config);
    return (await provider.healthCheck()) ? provider : this.#auto;
  }

  /** The preference stays a preference: the service falls back, unless `allowFallback` is false. */
  startInstance(config: SandboxConfig): Promise<SandboxInstance> {
    return this.#auto.startInstance(config);
  }

  /** @param provider if given, sandboxes elsewhere are not found */
  pauseInstance(id: string, provider?: string): Promise<void> {
    return this.#providerFor(provider).pauseInstance(id);
  }

  resumeInstance(id: string, provider?: string): Promise<void> {
    return this.#providerFor(provider).resumeInstance(id);
  }

  stopInstance(id: string, provider?: string): Promise<void> {
    return this.#providerFor(provider).stopInstance(id);
  }

  getInstanceStatus(id: string): Promise<SandboxStatus> {
    return this.#auto.getInstanceStatus(id);
  }

  listInstances(): Promise<readonly SandboxInstance[]> {
    return this.#auto.listInstances();
  }

  #providerFor(name: string | undefined): SandboxProvider {
    return name === undefined ? this.#auto : getSandboxProvider(this.#client, { preferredProvider: name });
  }
}
