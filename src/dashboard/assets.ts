/** The sheet and the script of our own pages, under addresses that change with their content. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import type { AssetPaths } from './pages/layout.tsx';

export interface Assets {
  readonly paths: AssetPaths;
  /** Open: the login page needs them. */
  readonly routes: Hono;
}

export function createAssets(): Assets {
  const css = load('pages.css', 'text/css; charset=utf-8');
  const js = load('pages.js', 'text/javascript; charset=utf-8');
  const routes = new Hono();
  for (const { path, body, type } of [css, js]) {
    routes.get(path, (context) => {
      context.header('Cache-Control', 'public, max-age=31536000, immutable');
      return context.body(body, 200, { 'Content-Type': type });
    });
  }
  return { paths: { css: css.path, js: js.path }, routes };
}

function load(name: string, type: string) {
  const body = readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8');
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 12);
  return { path: `/assets/${digest}/${name}`, body, type };
}
