/** The parts of the Proxmox drivers that need no server. */
import { describe, expect, it } from 'vitest';
import { formatMarkerLine, type Marker } from '../../src/core/marker.ts';
import { ownTags, parseTags } from '../../src/providers/pve/pve-configure.ts';
import { staticAddress } from '../../src/providers/pve/pve-endpoints.ts';
import { identify } from '../../src/providers/pve/pve-identity.ts';
import { memoryImageBytes } from '../../src/providers/pve/pve-memory-room.ts';
import { guestConfigSchema } from '../../src/providers/pve/pve-schemas.ts';
import { isSuccess, learnDuration, nextPollDelayMs, parseUpid } from '../../src/providers/pve/pve-tasks.ts';

describe('task polling', () => {
  it.each([
    ['at least 100 ms', 0, undefined, 100],
    ['a tenth of the time spent', 5_000, undefined, 500],
    ['at most 2 s', 60_000, undefined, 2_000],
    ['until four fifths of the usual duration', 0, 5_000, 4_000],
    ['the rest of those four fifths', 3_000, 5_000, 1_000],
    ['never more than 5 s, for tasks that fail early', 0, 60_000, 5_000],
    ['a tenth of the time spent once the usual end is near', 4_500, 5_000, 450],
    ['and when the task takes longer than usual', 10_000, 5_000, 1_000],
  ])('waits %s', (_, elapsedMs, usualMs, expected) => {
    expect(nextPollDelayMs(elapsedMs, usualMs)).toBe(expected);
  });

  it('follows a change of the usual duration within a few tasks', () => {
    let usual = learnDuration(undefined, 1_000);
    expect(usual).toBe(1_000);
    for (let task = 0; task < 6; task += 1) usual = learnDuration(usual, 4_000);
    expect(usual).toBeGreaterThan(3_500);
    expect(usual).toBeLessThan(4_000);
  });

  it.each([
    ['OK', true],
    ['WARNINGS: 1', true],
    ['unexpected status', false],
    ['VM is locked (clone)', false],
  ])('takes exit status %s for success: %s', (exitStatus, expected) => {
    expect(isSuccess(exitStatus)).toBe(expected);
  });

  it('reads node and type of a UPID', () => {
    const upid = 'UPID:pve-2:0000A1B2:0123456789:65F0A1B2:qmclone:9000:root@pam!test:';
    expect(parseUpid(upid, 'pve-vm')).toEqual({ node: 'pve-2', type: 'qmclone' });
    expect(() => parseUpid('nonsense', 'pve-vm')).toThrow('not the id of a Proxmox task');
  });
});

describe('whose guest it is', () => {
  const guest = 'pvevm-0a1b2c3d';
  const marker: Marker = {
    deployment: 'd',
    install: 'i',
    sandbox: 's',
    guest,
    vmid: 20_001,
    operation: 'o',
    attempt: 1,
  };
  const line = formatMarkerLine(marker);

  it.each([
    ['ours: marker, name and VMID agree', { name: guest, description: line }, 'ours'],
    [
      'ours: with other lines, and while it is locked',
      { name: guest, description: `hi\n${line}\nho`, lock: 'clone' },
      'ours',
    ],
    ['unsigned: a clone that says nothing yet', { lock: 'clone' }, 'unsigned'],
    ['unsigned: a clone that has its name only', { lock: 'clone', name: guest }, 'unsigned'],
    ['foreign: a clone under another name', { lock: 'clone', name: 'other' }, 'foreign'],
    ['foreign: no marker, no lock', { name: guest }, 'foreign'],
    ['foreign: no marker, some other lock', { name: guest, lock: 'backup' }, 'foreign'],
    ['foreign: renamed', { name: 'mine-now', description: line }, 'foreign'],
    ['foreign: a template made of it', { name: guest, description: line, template: 1 }, 'foreign'],
    [
      'foreign: marker of another guest',
      { name: guest, description: formatMarkerLine({ ...marker, guest: 'pvevm-x' }) },
      'foreign',
    ],
    [
      'foreign: marker of another VMID',
      { name: guest, description: formatMarkerLine({ ...marker, vmid: 9 }) },
      'foreign',
    ],
    ['foreign: a marker that was edited', { name: guest, description: line.slice(0, -1) }, 'foreign'],
  ])('%s', (_, config, expected) => {
    expect(identify(guestConfigSchema.parse(config), guest, 20_001).kind).toBe(expected);
  });
});

describe('configuration', () => {
  it('adds a tag per deployment only where Proxmox allows it', () => {
    expect(ownTags('Prod-eu')).toEqual(['cmux-lifecycle', 'cmux-lifecycle-prod-eu']);
    expect(ownTags('über uns')).toEqual(['cmux-lifecycle']);
  });

  it('reads tags with every separator Proxmox has', () => {
    expect(parseTags('a;b,c d')).toEqual(['a', 'b', 'c', 'd']);
    expect(parseTags(undefined)).toEqual([]);
  });

  it.each([
    ['ip=10.0.0.5/24,gw=10.0.0.1', '10.0.0.5'],
    ['gw=10.0.0.1,ip=10.0.0.5/24', '10.0.0.5'],
    ['ip=dhcp', undefined],
    ['gw=10.0.0.1', undefined],
    ['', undefined],
  ])('finds the static address in %s', (ipConfig, expected) => {
    expect(staticAddress(ipConfig)).toBe(expected);
  });

  it.each([
    ['2048', 4_596],
    [2048, 4_596],
    ['current=1024,max=4096', 2_548],
    [undefined, 1_524],
  ])('sizes the memory image of a VM with memory %s', (memory, expectedMib) => {
    expect(memoryImageBytes(guestConfigSchema.parse({ memory }))).toBe(expectedMib * 1024 ** 2);
  });

  it('reads the storages of disks, not of CD drives', () => {
    const config = guestConfigSchema.parse({
      scsi0: 'ceph:vm-1-disk-0,size=8G',
      scsi1: 'local-lvm:vm-1-disk-1',
      scsi2: 'ceph:vm-1-disk-2',
      ide2: 'local:iso/x.iso,media=cdrom',
      ide3: 'none,media=cdrom',
      scsihw: 'virtio-scsi-pci',
    });
    expect(config.diskStorages).toEqual(['ceph', 'local-lvm']);
  });

  it.each([
    [{ template: 1, protection: '1', onboot: 0 }, [true, true, false]],
    [{}, [false, false, false]],
  ])('reads flags in each of their wire forms: %j', (config, expected) => {
    const { template, protection, onboot } = guestConfigSchema.parse(config);
    expect([template, protection, onboot]).toEqual(expected);
  });
});
