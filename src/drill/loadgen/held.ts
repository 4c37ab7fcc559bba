/** One long-lived connection: a request whose answer goes on, opened again whenever it ends. */
import { request } from "node:https";
import type { ConnectionRecord } from "../../core/drill/observations.ts";
import type { ObserveConfig } from "./config.ts";
import { type Observer, pause } from "./observer.ts";

type Held = ObserveConfig["connections"][number];

const REOPEN_MS = 100;
/**
 * What is silent for so long is given up: as good as the hour that an unprotected client would wait, and a
 * new one is there for the next fault.
 */
const GIVE_UP_MS = 20_000;
/** A silence is one when twice the interval and a margin for a busy machine have passed. */
const silenceAfter = (everyMs: number): number => 2 * everyMs + 50;

/** Holds the connection open until the observation ends. */
export async function holdConnection(observer: Observer, held: Held): Promise<void> {
  while (!observer.stop.aborted) {
    const record = await holdOnce(observer, held);
    if (record !== null) observer.record(record);
    await pause(REOPEN_MS, observer.stop);
  }
}

/** @returns null when it did not open: then there was no long-lived connection */
function holdOnce(observer: Observer, held: Held): Promise<ConnectionRecord | null> {
  const { config, now, stop } = observer;
  const { name, purpose, everyMs } = held;
  const own = held.purpose === "session";
  const ca = own ? config.hostCa : config.ca;
  const silences: { from: number; to: number }[] = [];
  let opened: number | null = null;
  let lastData = 0;
  let finished = false;
  return new Promise((resolve) => {
    const finish = (end: ConnectionRecord["end"], error: string | null): void => {
      if (finished) return; // destroying it is an error of its own
      finished = true;
      stop.removeEventListener("abort", close);
      clearTimeout(opening);
      call.destroy();
      if (opened === null) return resolve(null);
      const ended = now();
      if (ended - lastData > silenceAfter(everyMs)) silences.push({ from: lastData, to: ended });
      resolve({ kind: "connection", name, purpose, everyMs, opened, ended, end, error, lastData, silences });
    };
    const close = (): void => finish("closed", null);
    const call = request(new URL(held.path, held.origin), {
      agent: false, // its own connection
      ...(ca === null ? {} : { ca }),
      headers: {
        authorization: `Bearer ${config.token}`,
        // It is the name that the certificate must have, too: an app host's own has its address.
        ...(config.domain === null || own ? {} : { host: config.domain }),
      },
    });
    const opening = setTimeout(
      () => finish("cut", "did not open"),
      config.connectTimeoutMs + config.responseTimeoutMs,
    );
    stop.addEventListener("abort", close);
    call.on("error", (error: NodeJS.ErrnoException) => finish("cut", error.code ?? error.message));
    call.on("response", (response) => {
      if (response.statusCode !== 200) return finish("cut", `status ${response.statusCode}`);
      response.setTimeout(GIVE_UP_MS, () => finish("cut", "silent for too long"));
      response.on("data", () => {
        const at = now();
        clearTimeout(opening);
        opened ??= at;
        if (lastData > 0 && at - lastData > silenceAfter(everyMs)) silences.push({ from: lastData, to: at });
        lastData = at;
      });
      response.on("error", (error: NodeJS.ErrnoException) => finish("cut", error.code ?? error.message));
      response.on("end", () => finish("cut", "ended by the service"));
    });
    call.end();
  });
}
