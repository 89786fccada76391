import { z } from 'zod';
import { type FaultPlan, faultRuleSchema } from './fault-plan.ts';
import { gatewayReply } from './gateway.ts';
import type { HostReply, HostRequest } from './http-host.ts';
import type { MorphOperator } from './morph/morph-simulator.ts';
import type { PveOperator } from './pve/operator.ts';

/** What can be steered from outside the process. */
export interface ControlTarget {
  readonly faults: FaultPlan;
  readonly setDown: (down: boolean) => Promise<void>;
  readonly inventory: () => unknown;
  readonly metered: () => unknown;
}

export interface ControlTargets {
  readonly pve: (ControlTarget & { readonly operator: PveOperator }) | undefined;
  readonly morph: (ControlTarget & { readonly operator: MorphOperator }) | undefined;
}

const target = z.enum(['pve', 'morph']);
const faultsBody = z.strictObject({ target, rules: z.array(faultRuleSchema) });
const operatorBody = z.discriminatedUnion('action', [
  z.strictObject({ action: z.enum(['unlock', 'kill', 'remove']), vmid: z.int() }),
  z.strictObject({ action: z.literal('lock'), vmid: z.int(), word: z.string() }),
  z.strictObject({ action: z.literal('migrate'), vmid: z.int(), node: z.string() }),
  z.strictObject({ action: z.literal('node-offline'), node: z.string(), offline: z.boolean() }),
  z.strictObject({ action: z.literal('quorum'), quorate: z.boolean() }),
  z.strictObject({ action: z.literal('ha'), vmid: z.int(), managed: z.boolean() }),
  z.strictObject({ action: z.literal('credits-exhausted'), exhausted: z.boolean() }),
]);
const downBody = z.strictObject({ target, down: z.boolean() });

/**
 * `{gateway}/simulator/…`: `GET inventory`; `GET metered`, what the providers' own meters have counted; `POST
 * faults {target, rules}` adds rules, `GET faults` lists them with their hits, `DELETE faults[?target=]`
 * removes them; `POST down {target, down}`; `POST operator {action, vmid, …}` acts on the Proxmox host itself
 * (`{"action":"unlock","vmid":105}` is `qm unlock 105`), on its cluster (`node-offline`, `quorum`, `ha`), or
 * on the Morph account (`credits-exhausted`).
 */
export async function answerControl(targets: ControlTargets, request: HostRequest): Promise<HostReply> {
  try {
    return (await control(targets, request)) ?? gatewayReply(404, { error: 'no such control' });
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    return gatewayReply(400, { error: message });
  }
}

async function control(targets: ControlTargets, request: HostRequest): Promise<HostReply | undefined> {
  const body = (): unknown => JSON.parse(request.body.toString());
  switch (`${request.method} ${request.segments.slice(1).join('/')}`) {
    case 'GET inventory':
      return gatewayReply(200, { pve: targets.pve?.inventory(), morph: targets.morph?.inventory() });
    case 'GET metered':
      return gatewayReply(200, { pve: targets.pve?.metered(), morph: targets.morph?.metered() });
    case 'GET faults':
      return gatewayReply(200, { pve: targets.pve?.faults.list(), morph: targets.morph?.faults.list() });
    case 'POST faults': {
      const { target, rules } = faultsBody.parse(body());
      require(targets, target).faults.add(...rules);
      return gatewayReply(200, { target, added: rules.length });
    }
    case 'DELETE faults': {
      const only = z.optional(target).parse(request.query.get('target') ?? undefined);
      for (const name of only === undefined ? target.options : [only]) targets[name]?.faults.clear();
      return gatewayReply(200, { cleared: only ?? 'all' });
    }
    case 'POST down': {
      const { target, down } = downBody.parse(body());
      await require(targets, target).setDown(down);
      return gatewayReply(200, { target, down });
    }
    case 'POST operator': {
      const order = operatorBody.parse(body());
      operate(targets, order);
      return gatewayReply(200, { done: order });
    }
    default:
      return undefined;
  }
}

function operate(targets: ControlTargets, order: z.infer<typeof operatorBody>): void {
  if (order.action === 'credits-exhausted') {
    require(targets, 'morph').operator.setCreditsExhausted(order.exhausted);
    return;
  }
  const { operator } = require(targets, 'pve');
  switch (order.action) {
    case 'lock':
      operator.lock(order.vmid, order.word);
      break;
    case 'migrate':
      operator.migrate(order.vmid, order.node);
      break;
    case 'node-offline':
      operator.setNodeOffline(order.node, order.offline);
      break;
    case 'quorum':
      operator.setQuorum(order.quorate);
      break;
    case 'ha':
      operator.setHaManaged(order.vmid, order.managed);
      break;
    default:
      operator[order.action](order.vmid);
  }
}

function require<Name extends 'pve' | 'morph'>(
  targets: ControlTargets,
  name: Name,
): NonNullable<ControlTargets[Name]> {
  const found = targets[name];
  if (found === undefined) throw new Error(`${name} is not simulated here`);
  return found;
}
