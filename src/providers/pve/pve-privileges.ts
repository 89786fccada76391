/** What the token needs, by version (facts §1, §8): to compare with what it has, and to make a role of. */

/** Which optional things are used, for which further privileges are needed. */
export interface PrivilegeNeeds {
  readonly major: number;
  /** Guests' addresses are asked of the agent: there is no PVE_PUBLIC_DOMAIN. */
  readonly asksAgent: boolean;
  readonly cloudInit: boolean;
  readonly setClock: boolean;
}

export interface NeededPrivilege {
  readonly path: '/vms' | '/storage' | '/nodes' | '/sdn/zones';
  readonly privilege: string;
  /** What cannot be done without it. */
  readonly why: string;
}

export function neededPrivileges({
  major,
  asksAgent,
  cloudInit,
  setClock,
}: PrivilegeNeeds): readonly NeededPrivilege[] {
  const vms = (privilege: string, why: string): NeededPrivilege => ({ path: '/vms', privilege, why });
  const asking = [major >= 9 ? 'VM.GuestAgent.Audit' : 'VM.Monitor', 'asking VMs for their address'] as const;
  const setting = [major >= 9 ? 'VM.GuestAgent.Unrestricted' : 'VM.Monitor', 'PVE_SET_CLOCK'] as const;
  // The one for setting covers what asking needs.
  const agentPrivileges = setClock ? [setting] : asksAgent ? [asking] : [];
  return [
    vms('VM.Allocate', 'making and destroying guests'),
    vms('VM.Audit', 'seeing them'),
    vms('VM.Clone', 'cloning templates'),
    vms('VM.Config.CPU', 'giving them the size of their preset'),
    vms('VM.Config.Memory', 'giving them the size of their preset'),
    vms('VM.Config.Disk', 'suspending to disk'),
    vms('VM.Config.Options', 'tags, protection and the environment of containers'),
    ...(cloudInit ? [vms('VM.Config.Cloudinit', 'PVE_CLOUD_INIT')] : []),
    vms('VM.PowerMgmt', 'starting, suspending and stopping'),
    ...agentPrivileges.map(([privilege, why]) => vms(privilege, why)),
    { path: '/storage', privilege: 'Datastore.AllocateSpace', why: 'disks and memory images' },
    { path: '/storage', privilege: 'Datastore.Audit', why: 'seeing whether a memory image fits' },
    {
      path: '/nodes',
      privilege: 'Sys.Audit',
      why: "seeing the nodes' memory, without which nothing is started",
    },
    { path: '/sdn/zones', privilege: 'SDN.Use', why: 'the network of clones' },
  ];
}

/** Commands for a role, a user and a token with exactly these; for root on any node. */
export function commandsForToken(needed: readonly NeededPrivilege[]): readonly string[] {
  const paths = [...new Set(needed.map(({ path }) => path))];
  const role = 'CmuxLifecycle';
  const privileges = needed.map(({ privilege }) => privilege).join(',');
  return [
    `pveum role add ${role} --privs "${privileges}"`,
    'pveum user add cmux@pve',
    'pveum user token add cmux@pve lifecycle --privsep 0',
    ...paths.map((path) => `pveum acl modify ${path} --users cmux@pve --roles ${role}`),
  ];
}
