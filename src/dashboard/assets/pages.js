/**
 * Keeps a page fresh and carries out its buttons through the API. Everything it shows was written by the server, so
 * there is one place that turns data into a page; `charts.js` draws what tables say.
 */

const FLEET_REFRESH_MS = 5_000;
/** After a button: the operation was accepted, and its first effects show within a second or two. */
const SOON_MS = 800;
const WORDS = { pause: 'Pausing', resume: 'Resuming', destroy: 'Destroying' };

document.documentElement.classList.add('js');

const live = document.getElementById('live');
if (live) keepFresh(live);

function keepFresh(region) {
  const refreshMs = Number(region.dataset.every ?? FLEET_REFRESH_MS);
  const toggle = document.getElementById('live-toggle');
  let timer = 0;

  function refreshIn(ms) {
    clearTimeout(timer);
    timer = setTimeout(() => refresh().catch(showLost), ms);
  }

  async function refresh() {
    const isLive = toggle.getAttribute('aria-pressed') === 'true';
    if (isLive && !document.hidden && !isBusy(region)) await replace(region);
    refreshIn(refreshMs);
  }

  function showLost() {
    say('The server does not answer. What you see is not fresh.', true);
    refreshIn(refreshMs);
  }

  toggle.addEventListener('click', () => {
    const isLive = toggle.getAttribute('aria-pressed') !== 'true';
    toggle.setAttribute('aria-pressed', String(isLive));
    if (isLive) refreshIn(0);
  });
  document.addEventListener('visibilitychange', () => refreshIn(0));
  region.addEventListener('click', ({ target }) => {
    const button = target.closest('button');
    if (button?.dataset.copy) copy(button);
    if (button?.dataset.action && button.ariaDisabled !== 'true')
      act(button, () => refreshIn(SOON_MS)).catch(showLost);
  });
  refreshIn(refreshMs);
}

/** Nobody wants the page to change under a selection, an open question or a chart that is being read. */
function isBusy(region) {
  const selection = document.getSelection();
  const hasSelection = selection !== null && !selection.isCollapsed && region.contains(selection.anchorNode);
  return hasSelection || document.querySelector('dialog[open], .chart:hover') !== null;
}

/** Takes the fresh page's answers, and puts the focus back where it was. */
async function replace(region) {
  const response = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
  // The session ended: the way leads to /login, and back here.
  if (response.redirected) return location.reload();
  if (!response.ok) throw new Error(`status ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && placeOf(focused);
  for (const { id } of region.querySelectorAll('details[open][id]'))
    fresh.getElementById(id)?.toggleAttribute('open', true);
  region.replaceChildren(...fresh.getElementById('live').childNodes);
  region.dispatchEvent(new Event('refreshed'));
  document.getElementById('fresh').textContent = fresh.getElementById('fresh').textContent;
  if (place) find(region, place)?.focus({ preventScroll: true });
  const status = document.getElementById('status');
  if (status.classList.contains('problem') && status.dataset.lost) say('');
}

/** How to find the same element in the fresh page: by id, by where it leads, or by its row. */
function placeOf(element) {
  const row = element.dataset.sandbox;
  return { id: element.id, href: element.getAttribute('href'), copy: element.dataset.copy, row };
}

function find(region, { id, href, copy: copied, row }) {
  if (id) {
    const same = document.getElementById(id);
    // A pause button turns into a resume button: stay in the row.
    return same ?? (row ? region.querySelector(`[data-sandbox="${CSS.escape(row)}"]`) : null);
  }
  if (href) return region.querySelector(`a[href="${CSS.escape(href)}"]`);
  return copied ? region.querySelector(`[data-copy="${CSS.escape(copied)}"]`) : null;
}

async function act(button, onAccepted) {
  const { action, sandbox } = button.dataset;
  if (action === 'destroy' && !(await confirmed(sandbox))) return;
  // Not `disabled`: that would take the focus away from whoever works by keyboard.
  button.ariaDisabled = 'true';
  say(`${WORDS[action]} ${sandbox} …`);
  const path = `/v1/sandboxes/${encodeURIComponent(sandbox)}`;
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': crypto.randomUUID?.() ?? `${Date.now()}`,
  };
  const response =
    action === 'destroy'
      ? await fetch(path, { method: 'DELETE', headers })
      : await fetch(`${path}/${action}`, { method: 'POST', headers, body: '{}' });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ message: `status ${response.status}` }));
    say([`${action} ${sandbox}: ${problem.message}`, problem.remediation].filter(Boolean).join(' — '), true);
    button.ariaDisabled = null;
  }
  onAccepted();
}

function confirmed(sandbox) {
  const dialog = document.getElementById('confirm');
  document.getElementById('confirm-sandbox').textContent = sandbox;
  dialog.returnValue = 'cancel';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'destroy'), { once: true });
  });
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    say('Copied.');
  } catch {
    // Only https and loopback may use the clipboard: select it instead.
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    say('Selected: copy it with the keyboard.');
  }
}

/** Read out by screen readers, since the element is a status. */
function say(text, isProblem = false) {
  const status = document.getElementById('status');
  status.textContent = text;
  status.classList.toggle('problem', isProblem);
  if (isProblem && text.startsWith('The server')) status.dataset.lost = 'yes';
  else delete status.dataset.lost;
}
