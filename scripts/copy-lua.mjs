// The Lua scripts are read from beside the compiled store at run time; tsc leaves them behind.
import { cpSync } from 'node:fs';

cpSync('src/store/scripts', 'dist/store/scripts', { recursive: true });
