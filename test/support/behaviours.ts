/** What the generator's self-test and its bench make the scripted server do, and how it is compared. */
import { type RequestClass, SKIPPED } from "../../src/core/drill/history.ts";
import { judge, type Marks } from "../../src/core/drill/judge.ts";
import { type Interval, lengthOf, SLOW_MS, union } from "../../src/core/drill/outages.ts";
import { latencyOf } from "../../src/core/drill/requests.ts";
import { spacingMs } from "../../src/core/drill/schedule.ts";
import { percentile } from "../../src/core/drill/statistics.ts";
import type { Behaviour, Down } from "./scripted-server.ts";
import { CONNECT_TIMEOUT_MS, type Measured, RESPONSE_TIMEOUT_MS, type Script } from "./scripted.ts";

const FROM = 800;
const END = 2600;

export interface Case {
  readonly name: string;
  readonly script: Script;
  /** Classes that the outage concerns; the others must show none. */
  readonly classes: readonly RequestClass[];
  /** The outage lasts as long as single answers do, not as long as the phase. */
  readonly byAnswer?: boolean;
  /**
   * The server did not know when requests came: their truth is when the schedule had them due. It knows that
   * of writes, by their ids, so only those are compared.
   */
  readonly byDue?: boolean;
  /** Whatever was due meanwhile waited for its end: so its truth is known, though the generator left it out. */
  readonly hangs?: boolean;
  readonly readBack?: boolean;
}

const all = ["read", "read-fresh", "write"] as const;
const during = (behaviour: Behaviour, ms: number): Script => ({
  phases: [
    { at: FROM, behaviour },
    { at: FROM + ms, behaviour: { kind: "normal" } },
  ],
  end: Math.max(END, FROM + ms + 700),
});
const outage = (name: string, behaviour: Behaviour, ms: number, rest: Partial<Case> = {}): Case => ({
  name,
  script: during(behaviour, ms),
  classes: all,
  ...rest,
});
const fast = { kind: "delay", delay: [[1, 3]] } as const;

export const cases: readonly Case[] = [
  outage("nothing", { kind: "normal" }, 100, { classes: [] }),
  outage("a hang of 2 s", { kind: "hang" }, 2000, { hangs: true }),
  outage("a hang of 400 ms", { kind: "hang" }, 400, { hangs: true }),
  outage("a hang of 100 ms is a slow answer, not an outage", { kind: "hang" }, 100, {
    classes: [],
    hangs: true,
  }),
  outage("503 for 600 ms", { kind: "status", status: 503 }, 600),
  outage("500 for 600 ms", { kind: "status", status: 500 }, 600),
  outage("503 for 5 ms, less than the sampling", { kind: "status", status: 503 }, 5),
  outage("503 for 60 ms", { kind: "status", status: 503 }, 60),
  outage("resets for 500 ms", { kind: "reset" }, 500),
  outage("connections closed without an answer for 500 ms", { kind: "close" }, 500),
  outage("half an answer, then a reset, for 500 ms", { kind: "partial" }, 500),
  outage("nobody listens for 700 ms", { kind: "refuse" }, 700),
  outage("requests of 600 ms are never answered", { kind: "never" }, 600),
  {
    name: "new connections are not answered for 400 ms",
    // Longer afterwards: the handshakes that then fall together make the generator late once.
    script: { ...during({ kind: "no-handshake" }, 400), end: 2 * END },
    classes: ["read-fresh"],
    byAnswer: true, // forty handshakes at once take their time
  },
  outage("half of the clients hang for 600 ms", { kind: "hang", only: "half" }, 600),
  outage("writes fail for 600 ms, reads are served", { kind: "status", status: 503, only: "writes" }, 600, {
    classes: ["write"],
  }),
  outage("reads hang for 600 ms, writes are served", { kind: "hang", only: "reads" }, 600, {
    classes: ["read", "read-fresh"],
  }),
  outage("every fortieth request fails", { kind: "status", status: 503, everyNth: 40 }, 800, {
    byAnswer: true,
  }),
  {
    name: "flapping: 100 ms away, 150 ms back, five times",
    script: {
      phases: [0, 1, 2, 3, 4].flatMap((n) => [
        { at: FROM + n * 250, behaviour: { kind: "status", status: 503 } as const },
        { at: FROM + n * 250 + 100, behaviour: { kind: "normal" } as const },
      ]),
      end: END + 400,
    },
    classes: all,
  },
  outage("every answer takes 50 ms", { kind: "delay", delay: [[1, 50]] }, 1200, { classes: [] }),
  outage("1 to 120 ms, spread", { kind: "delay", delay: spread(120) }, 1500, { classes: [] }),
  outage(
    "one answer in ten takes 180 ms",
    {
      kind: "delay",
      delay: [
        [0.9, 3],
        [1, 180],
      ],
    },
    1500,
    { classes: [] },
  ),
  outage("every answer takes 400 ms, for 500 ms", { kind: "delay", delay: [[1, 400]] }, 500, {
    byAnswer: true,
  }),
  {
    name: "a slow start: nobody listens, then answers take 600 ms, and less and less",
    script: {
      phases: [
        { at: FROM, behaviour: { kind: "refuse" } },
        { at: FROM + 300, behaviour: { kind: "delay", delay: [[1, 600]], fadeMs: 900 } },
        { at: FROM + 1200, behaviour: { kind: "normal" } },
      ],
      end: END + 500,
    },
    classes: all,
    byAnswer: true,
  },
  outage("answers after the client gave up", { kind: "delay", delay: [[1, 3300]] }, 500, {
    readBack: true,
  }),
  outage("writes acknowledged and dropped", { kind: "drop" }, 500, { classes: [], readBack: true }),
  outage("writes stored twice", { kind: "duplicate" }, 500, { classes: [], readBack: true }),
  outage("writes refused and yet stored", { kind: "phantom", only: "writes" }, 500, {
    classes: ["write"],
    readBack: true,
  }),
  {
    name: "the whole process is stopped for 900 ms",
    script: { phases: [{ at: 100, behaviour: fast }], end: END, stopped: { from: FROM, to: FROM + 900 } },
    classes: ["write"],
    byAnswer: true,
    byDue: true,
  },
];

/** Even steps over the range. */
function spread(most: number): (readonly [number, number])[] {
  return Array.from({ length: most }, (_, index) => [(index + 1) / most, index + 1] as const);
}

export const marks: Marks = {
  fault: "scripted",
  title: "",
  target: "",
  baseline: 0,
  inject: FROM - 300,
  prove: FROM,
  heal: FROM,
  recovered: FROM,
  end: 60_000,
  tookEffect: true,
  proof: "",
  recoveredBy: "",
  notRecovered: null,
};

/** What a figure may be off besides the sampling interval, ms. */
export const TOLERANCE_MS = 5;

export interface Figure {
  readonly what: string;
  readonly measured: number;
  readonly truth: number;
  readonly allowed: number;
}

export const isOff = ({ measured, truth, allowed }: Figure): boolean => Math.abs(measured - truth) > allowed;

/** Every figure of a run with its truth. @param perSecond the load's rate */
export function compare(one: Case, perSecond: number, whole: Measured): Figure[] {
  const run = one.byDue === true ? writesByDue(whole, perSecond) : whole;
  const { history, readBack, truth } = run;
  const rate = { perSecond, clients: 20 };
  const samplingMsByClass = { "read-fresh": spacingMs(rate, "read-fresh") };
  const evidence = { history, readBack, samplingMs: spacingMs(rate), samplingMsByClass };
  const objectives = { recoveryTimeMs: 60_000, noDataLoss: true, noIdempotentFailures: false };
  const result = judge(evidence, marks, objectives);
  const figures: Figure[] = [];
  const add = (what: string, measured: number, real: number, allowed: number): void => {
    figures.push({ what, measured, truth: real, allowed });
  };
  for (const name of all) {
    const real = one.classes.includes(name) ? longestDown(one, name, truth) : 0;
    // What is shorter than the sampling may be missed.
    const measured = result.longestOutageMsByClass[name];
    add(`longest outage of ${name}`, measured, real, spacingMs(rate, name) + TOLERANCE_MS);
    const { low, high } = result.longestOutageRangeMsByClass?.[name] ?? { low: 0, high: 0 };
    const known = Math.min(Math.max(real, low), high); // the truth itself, if the interval has it
    // New connections that were held up answer all at once, and are shaken hands with one after the other.
    const queued = name === "read-fresh" ? spacingMs(rate, name) : 0;
    add(`interval of the outage of ${name}`, known, real, queued + TOLERANCE_MS);
  }
  const real = realLatencies(one, perSecond, run);
  for (const [what, fraction] of [
    ["p50", 0.5],
    ["p90", 0.9],
    ["p99", 0.99],
  ] as const) {
    // Only of a hang is it known what became of requests that were left out: else of those that were sent.
    const counted = history.filter(
      ({ intended, error }) => intended >= marks.inject && (one.hangs === true || error !== SKIPPED),
    );
    const latency = latencyOf(counted);
    add(`latency ${what}`, latency[what], percentile(real, fraction), spacingMs(rate) + TOLERANCE_MS);
  }
  const served = history.filter(({ outcome }) => outcome === "ok").length;
  add("requests served", served, truth.requests.filter(servedInTime).length, 0);
  const refused = truth.requests.filter(([, , status]) => status === 503).length;
  add("answers 503", history.filter(({ status }) => status === 503).length, refused, 0);
  if (one.readBack === true) {
    add("lost writes", result.acknowledgedWritesLost, truth.dropped.length, 0);
    add("writes twice", result.duplicateWrites.length, truth.duplicated.length, 0);
    add("phantom writes", result.phantomWrites.length, truth.phantoms.length, 0);
  }
  return figures;
}

const writesByDue = ({ history, readBack, truth }: Measured, perSecond: number): Measured => ({
  history: history.filter((record) => record.class === "write"),
  readBack,
  truth: {
    ...truth,
    requests: truth.requests.flatMap(([, answered, status, name, client, seq]) =>
      seq === null ? [] : [[(seq * 1000) / perSecond, answered, status, name, client, seq] as const],
    ),
  },
});

/** And not after the client gave up. */
const servedInTime = ([arrived, answered, status]: Measured["truth"]["requests"][number]): boolean =>
  answered !== null && status < 300 && answered - arrived < CONNECT_TIMEOUT_MS + RESPONSE_TIMEOUT_MS;

/** By the phases that really were, or by the answers that really were late or bad. */
function longestDown(one: Case, requestClass: RequestClass, { downs, requests }: Measured["truth"]): number {
  const served = requests.filter((r) => r[3] === requestClass && servedInTime(r)).map(([, at]) => at ?? 0);
  /** It is back when it answers; what was held up is answered by then. */
  const back = ({ kind, to }: Down): number =>
    kind === "hang" || kind === "no-handshake" ? to : Math.min(...served.filter((at) => at >= to));
  if (one.byAnswer !== true) return Math.max(0, ...downs.map((down) => back(down) - down.from));
  // Nobody's request is on record while nobody listened: away until the first answer after it.
  const intervals: Interval[] = downs
    .filter(({ kind }) => kind === "refuse")
    .map((down) => ({ from: down.from, to: back(down) }));
  const clients = new Set(requests.map(([, , , , client]) => client));
  for (const client of clients) {
    const own = requests.filter(
      ([at, , , name, its]) => at > FROM - 300 && name === requestClass && its === client,
    );
    for (const [index, request] of own.entries()) {
      const [from, answered] = request;
      const served = servedInTime(request);
      if (served && (answered ?? 0) - from <= SLOW_MS) continue;
      const next = own
        .slice(index + 1)
        .filter(servedInTime)
        .map(([, at]) => at ?? 0);
      intervals.push({ from, to: served ? (answered ?? 0) : Math.min(...next) });
    }
  }
  return Math.max(0, ...union(intervals).map(lengthOf));
}

/** Latencies that clients would have seen, whether the request was sent or left out. */
function realLatencies(
  one: Case,
  perSecond: number,
  { history, truth: { downs, requests } }: Measured,
): number[] {
  const served = requests
    .filter((request) => servedInTime(request) && request[0] >= marks.inject)
    .map(([arrived, answered]) => (answered ?? 0) - arrived);
  if (one.hangs !== true) return served;
  const down = downs.find(({ kind }) => kind === "hang") ?? { from: 0, over: 0 };
  const end = Math.max(...history.map(({ intended }) => intended));
  const due = Math.floor(((end - marks.inject) * perSecond) / 1000);
  return Array.from({ length: due }, (_, index) => {
    const at = marks.inject + (index * 1000) / perSecond;
    return at >= down.from && at < down.over ? down.over - at : 0;
  });
}

/** Above it the machine and not the generator was measured: a drill is inconclusive then, and so is this. */
const MAX_LAG_MS = 10;
/** Three times what a generator that gets the CPU is late by; a figure may be off by what the run has more. */
const USUAL_LAG_MS = 4;
/** A pause of the server makes its own log wrong by as much. */
const MAX_PAUSE_MS = 5;

/** 99th percentile of how late the generator sent, ms. */
export const lagOf = ({ history }: Measured): number =>
  percentile(
    history.filter(({ intended }) => intended >= marks.inject).map(({ sent, intended }) => sent - intended),
    0.99,
  );

/** @returns null, or why the run says nothing: generator or server did not get the CPU */
export function excuse(measured: Measured, off: readonly Figure[]): string | null {
  const lag = lagOf(measured);
  if (lag > MAX_LAG_MS || (off.length > 0 && lag > USUAL_LAG_MS)) return `send lag ${lag.toFixed(1)} ms`;
  const { longestPauseMs } = measured.truth;
  if (off.length === 0 || longestPauseMs <= MAX_PAUSE_MS) return null;
  return `server paused for ${longestPauseMs.toFixed(1)} ms`;
}
