/** `confirm` and `destruction`: an operator's word on what happens without anybody asking. */
import { Argument } from 'commander';
import { type AutomationView, createAutomationService } from '../../producers/automation-service.ts';
import type { Connection } from '../connection.ts';
import { type AddCommand, asking } from './command.ts';

const SWITCH = ['on', 'off'] as const;

type Action = 'confirm' | 'destruction-on' | 'destruction-off';

export const addConfirm: AddCommand = (program, context) => {
  program
    .command('confirm')
    .description(
      'the registry is right as it is: ends adopt-only mode and the exemption of what was restored',
    )
    .action(
      asking(context, async ({ connection, output }) => {
        const view = await steer(connection, 'confirm');
        output.show(view, () => describe(view));
      }),
    );
};

export const addDestruction: AddCommand = (program, context) => {
  program
    .command('destruction')
    .addArgument(
      new Argument('<on|off>', 'off: nothing is destroyed but what a caller asked for').choices(SWITCH),
    )
    .description('switches all automatic destruction on or off')
    .action(
      asking<object, [(typeof SWITCH)[number]]>(context, async ({ connection, output, args: [to] }) => {
        const view = await steer(connection, `destruction-${to}`);
        output.show(view, () => describe(view));
      }),
    );
};

async function steer(connection: Connection, action: Action): Promise<AutomationView> {
  if (connection.via === 'http') {
    const { body } = await connection.send({ method: 'POST', path: '/v1/automation', body: { action } });
    return body as AutomationView;
  }
  const { store } = connection;
  const service = createAutomationService(store, Date.now);
  const what = action === 'confirm' ? action : action.replace('-', ' ');
  await store.audit.append({ atMs: Date.now(), who: 'cli', role: 'admin', what, from: 'cli', status: 200 });
  if (action === 'confirm') return service.confirm('cli');
  return service.switchDestruction(action === 'destruction-on' ? 'on' : 'off', 'cli');
}

function describe({ mode, reason, destruction, unobserved }: AutomationView): string {
  return [
    `mode         ${mode}${reason === '' ? '' : `: ${reason}`}`,
    `destruction  ${destruction}`,
    ...(mode === 'observing' ? [`unobserved   ${unobserved}`] : []),
  ].join('\n');
}
