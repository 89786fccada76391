import { type Frame, Layout } from './layout.tsx';

export interface LoginPageProps {
  readonly frame: Frame;
  /** The path to go on to. */
  readonly to: string;
  /** From a login link: one button in place of the field. */
  readonly code?: string;
  readonly problem?: string;
}

export function LoginPage({ frame, to, code, problem }: LoginPageProps) {
  return (
    <Layout frame={frame} title="Log in">
      <div class="login">
        <h1>Log in</h1>
        {problem && (
          <p role="alert" class="problem">
            {problem}
          </p>
        )}
        <form method="post" action="/login">
          <input type="hidden" name="to" value={to} />
          {code === undefined ? <TokenField /> : <input type="hidden" name="code" value={code} />}
          <button type="submit" class="primary">
            {code === undefined ? 'Log in' : 'Log in with this link'}
          </button>
        </form>
        {code === undefined ? (
          <p class="quiet">
            No token? <code>cmux-lifecycle token create &lt;name&gt;</code> makes one, on the machine of the
            server. Coming from a link elsewhere and logged in already? <a href={to}>Go on</a>.
          </p>
        ) : (
          <p class="quiet">The link works once.</p>
        )}
      </div>
    </Layout>
  );
}

function TokenField() {
  return (
    <>
      <label for="token">Token</label>
      <input
        id="token"
        name="token"
        type="password"
        autocomplete="current-password"
        required
        autofocus
        spellcheck={false}
      />
    </>
  );
}
