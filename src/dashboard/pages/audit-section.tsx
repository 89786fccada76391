import type { AuditEntry } from '../../store/audit.ts';
import { Ago, Section } from './parts.tsx';

/** For admins: the newest changes; `GET /v1/audit` has them all. */
export function AuditSection({
  entries,
  atMs,
}: {
  readonly entries: readonly AuditEntry[];
  readonly atMs: number;
}) {
  return (
    <Section id="audit" question="Who changed what?" note={`the newest; all of them: GET /v1/audit`}>
      {entries.length === 0 ? (
        <p class="fine">Nobody changed anything yet.</p>
      ) : (
        <table class="cards">
          <caption class="unseen">Changes through the pages and the API, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">Outcome</th>
              <th scope="col">From</th>
              <th scope="col">When</th>
            </tr>
          </thead>
          <tbody>
            {entries.map(({ who, role, what, status, from, atMs: thenMs }) => (
              <tr>
                <th scope="row">
                  {who} <span class="quiet">({role})</span>
                </th>
                <td data-label="What" class="id">
                  {what}
                </td>
                <td data-label="Outcome">
                  <span class={`state ${status < 400 ? 'good' : 'bad'}`}>{status}</span>
                </td>
                <td data-label="From">{from}</td>
                <td data-label="When">
                  <Ago ms={thenMs} atMs={atMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}
