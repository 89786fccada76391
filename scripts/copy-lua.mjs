// Read from beside the compiled code at run time: the Lua scripts of the store, the sheet and the script of the
// pages. tsc leaves them behind.
import { cpSync } from 'node:fs';

for (const folder of ['store/scripts', 'dashboard/assets']) {
  cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true });
}
