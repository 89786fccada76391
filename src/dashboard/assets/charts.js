/**
 * Draws the charts of the costs page with uPlot, from the cells of the tables behind them. Series differ by line or
 * hatching, not by colour alone.
 */

/* global uPlot */

const HEIGHT = 230;
const DAY_S = 86_400;
/** By name of a series: its colour, and the angle of its hatching; without one it is plain. */
const LOOKS = {
  'pve-vm': { colour: '--used' },
  'pve-lxc': { colour: '--accent', hatching: 'rising' },
  morph: { colour: '--morph', hatching: 'falling' },
  nodes: { colour: '--kept', hatching: 'dots' },
};

const region = document.getElementById('live');
if (region) {
  region.addEventListener('refreshed', drawAll);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  let width = 0;
  // Heights follow from what is drawn; only another width needs another drawing.
  new ResizeObserver(() => {
    if (region.clientWidth !== width) drawAll();
    width = region.clientWidth;
  }).observe(region);
  // On paper nobody opens anything.
  addEventListener('beforeprint', () => {
    for (const closed of document.querySelectorAll('details:not([open])')) {
      closed.open = true;
      addEventListener('afterprint', () => (closed.open = false), { once: true });
    }
  });
}

function drawAll() {
  for (const place of document.querySelectorAll('[data-chart]')) {
    const table = readTable(document.getElementById(place.dataset.table));
    const chart = place.dataset.chart === 'so-far' ? soFar(place, table) : byDay(place, table);
    place.replaceChildren();
    new uPlot({ ...common(place), ...chart.options }, chart.data, place);
  }
}

function readTable(table) {
  const names = [...table.tHead.rows[0].cells].map(({ dataset }) => dataset.series);
  const rows = [...table.tBodies[0].rows];
  return {
    days: rows.map(({ dataset }) => Date.parse(`${dataset.day}T00:00:00Z`) / 1000),
    series: Object.fromEntries(
      names.flatMap((name, column) =>
        name === undefined ? [] : [[name, rows.map(({ cells }) => Number(cells[column].dataset.usd))]],
      ),
    ),
  };
}

function common(place) {
  const ink = token('--quiet');
  const axis = { stroke: ink, grid: { stroke: token('--line'), width: 1 }, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    legend: {
      markers: { width: 3, dash: (chart, index) => (chart.series[index].dash ? 'dashed' : 'solid') },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        values: (_chart, splits) => splits.map(dayOf),
        incrs: [1, 2, 5, 7].map((n) => n * DAY_S),
      },
      { ...axis, size: 56, values: (_chart, splits) => splits.map((usd) => dollars(usd)) },
    ],
  };
}

function soFar({ dataset }, { days, series }) {
  const end = Number(dataset.monthEnd) / 1000;
  const last = days.length - 1;
  // A day's money is spent at its end, or now; the month begins with nothing.
  const x = [...days, ...(days.length > 0 ? [Number(dataset.now) / 1000, end] : [])];
  const shifted = (values) => [0, ...values, null];
  const upTo = (value) =>
    x.map((_, index) => (index === last + 1 ? series['so-far'][last] : index > last + 1 ? value : null));
  return {
    data: [
      x,
      shifted(series['morph-alone']),
      shifted(series['so-far']),
      upTo(Number(dataset.lower)),
      upTo(Number(dataset.upper)),
      upTo(Number(dataset.expected)),
    ],
    options: {
      scales: {
        x: { time: true, range: [x[0] ?? 0, end] },
        y: { range: (_chart, _min, max) => [0, Math.max(max * 1.08, 0.01)] },
      },
      series: [
        { label: 'Until', value: (_chart, seconds) => (seconds === null ? '' : dayOf(seconds)) },
        line('Morph alone', '--morph', { width: 2, dash: [2, 4] }),
        line('This month', '--used', { width: 3, fill: fade('--used') }),
        line('at least', '--strong-line', { width: 1, dash: [6, 4] }),
        line('at most', '--strong-line', { width: 1, dash: [6, 4] }),
        line('expected', '--used', { width: 2, dash: [8, 5] }),
      ],
      bands: [{ series: [4, 3], fill: fade('--strong-line') }],
    },
  };
}

function byDay({ dataset }, { days, series }) {
  const names = Object.keys(LOOKS).filter((name) => series[name]);
  // A bar stands over the middle of its day.
  const noon = days.map((day) => day + DAY_S / 2);
  // Each stands on those before it; the tallest is drawn first, so that the others lie over it.
  const tops = [];
  for (const name of names) {
    const below = tops.at(-1) ?? noon.map(() => 0);
    tops.push(series[name].map((usd, index) => usd + below[index]));
  }
  const bars = uPlot.paths.bars({ size: [0.75, 40] });
  return {
    data: [noon, ...tops.toReversed()],
    options: {
      scales: {
        x: { time: true, range: [days[0] ?? 0, Number(dataset.monthEnd) / 1000] },
        y: { range: (_chart, _min, max) => [0, Math.max((max ?? 0) * 1.08, 0.01)] },
      },
      series: [
        { label: 'Day', value: (_chart, seconds) => (seconds === null ? '' : dayOf(seconds)) },
        ...names.toReversed().map((name) => ({
          label: name === 'nodes' ? 'rest of the nodes' : name,
          stroke: token(LOOKS[name].colour),
          width: 1,
          fill: () => hatched(LOOKS[name]),
          paths: bars,
          points: { show: false },
          value: (_chart, _top, _series, index) => (index === null ? '' : dollars(series[name][index])),
        })),
      ],
    },
  };
}

function line(label, colour, look) {
  const value = (_chart, usd) => (usd === null || usd === undefined ? '' : dollars(usd));
  return { label, stroke: token(colour), points: { show: false }, value, ...look };
}

function dollars(usd) {
  const digits = usd >= 1000 || Number.isInteger(usd) ? 0 : 2;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

function dayOf(seconds) {
  return new Date(seconds * 1000).toLocaleDateString('en-US', {
    month: 'short',
    day: 'numeric',
    timeZone: 'UTC',
  });
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The same colour, so faint that lines and grid show through. */
function fade(name) {
  return `${token(name)}2e`;
}

/** A pattern over the ground, so that series are told apart on a black-and-white print too. */
function hatched({ colour, hatching }) {
  const ink = token(colour);
  if (hatching === undefined) return ink;
  const size = 8 * devicePixelRatio;
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext('2d');
  pen.fillStyle = `${ink}66`;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = ink;
  pen.fillStyle = ink;
  pen.lineWidth = size / 5;
  pen.beginPath();
  if (hatching === 'dots') pen.arc(size / 2, size / 2, size / 6, 0, 2 * Math.PI);
  else
    for (const shift of [-size, 0, size]) {
      pen.moveTo(shift, hatching === 'rising' ? size : 0);
      pen.lineTo(shift + size, hatching === 'rising' ? 0 : size);
    }
  if (hatching === 'dots') pen.fill();
  else pen.stroke();
  return pen.createPattern(tile, 'repeat');
}
