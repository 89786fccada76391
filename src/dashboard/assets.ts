/** The sheets and the scripts of our own pages, under addresses that change with their content. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Hono } from 'hono';
import type { AssetPaths } from './pages/layout.tsx';

export interface Assets {
  readonly paths: AssetPaths;
  /** Open: the login page needs them. */
  readonly routes: Hono;
}

const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

export function createAssets(): Assets {
  const css = asset('pages.css', ours('pages.css'), CSS);
  const js = asset('pages.js', ours('pages.js'), JS);
  const chartCss = asset('charts.css', uplot('dist/uPlot.min.css') + ours('charts.css'), CSS);
  // Its licence goes wherever the library goes.
  const library = asset('uplot.js', `/*\n${uplot('LICENSE')}*/\n${uplot('dist/uPlot.iife.min.js')}`, JS);
  const charts = asset('charts.js', ours('charts.js'), JS);
  const routes = new Hono();
  for (const { path, body, type } of [css, js, chartCss, library, charts]) {
    routes.get(path, (context) => {
      context.header('Cache-Control', 'public, max-age=31536000, immutable');
      return context.body(body, 200, { 'Content-Type': type });
    });
  }
  return {
    paths: {
      css: css.path,
      js: js.path,
      charts: { css: chartCss.path, scripts: [library.path, charts.path] },
    },
    routes,
  };
}

function ours(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
}

/** Read from the package, so that the browser gets what the lock file says. */
function uplot(file: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(`uplot/${file}`), 'utf8');
}

function asset(name: string, body: string, type: string) {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 12);
  return { path: `/assets/${digest}/${name}`, body, type };
}
