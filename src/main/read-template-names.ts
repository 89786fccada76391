import { z } from 'zod';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { PveConfig } from '../platform/config-providers.ts';
import { createPveHttpClient } from '../providers/pve/pve-api.ts';

/** One list of the cluster's guests. */
const TIMEOUT_MS = 15_000;

const resources = z.object({
  data: z.array(z.object({ vmid: z.number(), name: z.string().optional(), template: z.number().optional() })),
});

/** The names of all templates that the token sees. Reads only. */
export async function readTemplateNames(pve: PveConfig): Promise<ReadonlyMap<number, string>> {
  const http = createPveHttpClient({ provider: 'pve-lxc', ...pve });
  try {
    const reply = await http.request({
      method: 'GET',
      path: '/cluster/resources',
      query: { type: 'vm' },
      timeoutMs: TIMEOUT_MS,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const parsed = resources.safeParse(reply.json());
    if (reply.status !== 200 || !parsed.success)
      throw refused(`answered ${reply.status} ${reply.statusText}`);
    const templates = parsed.data.data.filter(({ template }) => template === 1);
    return new Map(
      templates.flatMap(({ vmid, name }) => (name === undefined ? [] : [[vmid, name] as const])),
    );
  } finally {
    await http.close();
  }
}

function refused(detail: string): LifecycleError {
  return new LifecycleError({
    code: 'provider_failed',
    message: `the names of templates cannot be read: Proxmox ${detail}`,
    remediation: 'Check PVE_API_URL and PVE_API_TOKEN with cmux-lifecycle doctor, or give --template-name.',
    retryable: true,
  });
}
