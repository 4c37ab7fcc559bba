/**
 * A measured time as people read it, to three digits or so: "7.6 ms", "640 ms", "2.34 s", "23.1 s", "3.5 min".
 * @param ms not negative
 */
export function duration(ms: number): string {
  if (ms < 9.95) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${Number((ms / 1000).toFixed(2))} s`;
  return ms < 119_950 ? `${Number((ms / 1000).toFixed(1))} s` : `${Number((ms / 60_000).toFixed(1))} min`;
}
