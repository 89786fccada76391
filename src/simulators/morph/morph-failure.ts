/** An error reply: `{detail}`, with the list form for 422 (FastAPI). */
export class MorphFailure extends Error {
  readonly status: number;
  readonly detail: string | readonly ValidationProblem[];

  constructor(status: number, detail: string | readonly ValidationProblem[]) {
    super(typeof detail === 'string' ? detail : 'validation error');
    this.name = 'MorphFailure';
    this.status = status;
    this.detail = detail;
  }
}

export interface ValidationProblem {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

export function notFound(kind: 'Instance' | 'Snapshot', id: string): MorphFailure {
  return new MorphFailure(404, `${kind} ${id} not found`);
}

export function wrongState(id: string, status: string, wanted: string): MorphFailure {
  return new MorphFailure(409, `Instance ${id} is ${status}, not ${wanted}`);
}
