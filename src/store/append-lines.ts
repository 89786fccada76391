/** Lines of text that are on disk once the promise resolves, whole, whatever a crash left at the end of the file. */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

/** @param lines without their line ends */
export async function appendLines(folder: string, name: string, lines: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, name), 'a+');
  try {
    const { size } = await file.stat();
    // After half a line the next one has to begin anew.
    const start = size === 0 || (await endsWithNewline(file, size)) ? '' : '\n';
    await file.appendFile(start + lines.map((line) => `${line}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(folder);
}

async function endsWithNewline(file: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === '\n';
}

/** Without it a new name may be lost with the power although its content was written. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
