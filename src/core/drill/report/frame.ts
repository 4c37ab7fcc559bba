/** The common frame of a picture's panels: where the plot is, and where a time is in it. */
import type { Interval } from "../outages.ts";
import type { FaultMarks } from "./model.ts";

/** Units of the picture; about CSS pixels on a wide screen. */
export const WIDTH = 960;
export const LEFT = 156;
export const COLUMN = 6;
/** Time bins: each a column of whole units, so that neighbours touch without seams. */
export const COLUMNS = 131;
export const PLOT_END = LEFT + COLUMN * COLUMNS;

export interface Frame extends Interval {
  /** Where the axis says 0: the injection. */
  readonly zero: number;
}

/** Some time before the injection, for comparison, and all of it until the end of verify. */
export function frameOf({ baseline, inject, end }: FaultMarks): Frame {
  const before = Math.max(2000, (end - inject) * 0.15);
  return { from: Math.max(baseline, inject - before), to: end, zero: inject };
}

/** A time's place, within the plot's edges, to a tenth of a unit. */
export function xOf(frame: Interval, time: number): number {
  const share = (time - frame.from) / (frame.to - frame.from);
  return Math.round((LEFT + Math.min(1, Math.max(0, share)) * COLUMN * COLUMNS) * 10) / 10;
}
