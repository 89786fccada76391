/** How money is written on pages: as many digits as somebody reads, never a rounded-away something. */

const MICRO = 1_000_000;

/** `$1,234`, `$12.30`, `<$0.01`, `−$3.10`. */
export function money(microUsd: number): string {
  const sign = microUsd < 0 ? '−' : '';
  const usd = Math.abs(microUsd) / MICRO;
  if (usd > 0 && usd < 0.005) return `${sign}<$0.01`;
  const digits = usd >= 1_000 ? 0 : 2;
  return `${sign}$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** `$0.083/h`: below a dollar an hour the third digit is still $0.72 a month. */
export function rate(microUsdPerHour: number): string {
  const usd = microUsdPerHour / MICRO;
  return usd > 0 && usd < 1 ? `$${usd.toFixed(3)}/h` : `${money(microUsdPerHour)}/h`;
}

/** `74 %`; nothing of nothing is 0 %. */
export function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((part / whole) * 100)} %`;
}

/** `1,240 h`, `3.5 h`. */
export function hours(ms: number): string {
  const value = ms / 3_600_000;
  const digits = value >= 10 || value === 0 ? 0 : 1;
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} h`;
}
