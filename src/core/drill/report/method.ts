/** How the figures are made: enough for a reader who must rely on them. */
import { SLOW_MS } from "../outages.ts";
import { SEND_LAG_LIMIT_MS } from "../requests.ts";
import { html, type Html } from "./html.ts";
import type { ReportInput } from "./model.ts";
import { duration } from "./words.ts";

export function method({ injections, unreadJournals }: ReportInput): Html {
  const sampling = injections.find(({ result }) => result.samplingMs > 0)?.result.samplingMs;
  const lag = injections.reduce((most, { result }) => Math.max(most, result.sendLagP99Ms), 0);
  const unread = unreadJournals.map(({ host, why }) => html`<li>${host}: ${why}</li>`);
  return html`<section id="method">
    <h2>How these figures are made</h2>
    <dl class="wide">
      <div>
        <dt>Load</dt>
        <dd>
          An open loop: each request is due at a fixed time, whatever became of those before it, and its
          latency counts from then. A stalled service cannot slow the load down and so hide its own outage.
        </dd>
      </div>
      <div>
        <dt>Outage</dt>
        <dd>
          From when the first request was due that was not served within ${SLOW_MS} ms, until a later one of
          the same client and class is served. Intervals of a class are merged over its clients.
        </dd>
      </div>
      <div>
        <dt>Resolution</dt>
        <dd>
          ${sampling === undefined ? "Each client asks at intervals" : `Each client asks every ${duration(sampling)}`},
          so an outage is given as the interval in which its true length lies; one that is shorter than the
          spacing may not be seen at all (“<”).
        </dd>
      </div>
      <div>
        <dt>Not served</dt>
        <dd>
          Failed (certainly not done) or unknown (no answer in time, or the connection broke after a write was
          sent). A time-out is never called failed.
        </dd>
      </div>
      <div>
        <dt>Writes</dt>
        <dd>
          Each has an id of its own and is read back at the end. Lost: acknowledged, and gone or changed.
          Duplicate: there more than once. Phantom: certainly refused, and yet there.
        </dd>
      </div>
      <div>
        <dt>Verdict</dt>
        <dd>
          fail: an objective was missed. inconclusive: the fault had no effect, the load generator was late,
          or writes could not be read back. not run: never counted as passed. A fault that is repeated has the
          verdict of its worst repeat; no figure is a mean.
        </dd>
      </div>
      <div>
        <dt>Generator</dt>
        <dd>
          Requests were sent at most ${duration(Math.ceil(lag))} late (99th percentile of the worst
          injection); above ${SEND_LAG_LIMIT_MS} ms it measured this machine, and the verdict says so.
        </dd>
      </div>
      <div>
        <dt>Marks</dt>
        <dd>
          Detect, decide, act and recovered are lines of the engines' own journals, at the time the journal
          received them, on the same monotonic clock as the
          load.${
            unread.length === 0
              ? null
              : html` Not read:
                  <ul>
                    ${unread}
                  </ul>`
          }
        </dd>
      </div>
      <div>
        <dt>Percentiles</dt>
        <dd>Nearest rank, of served requests only; those that were not served are counted beside them.</dd>
      </div>
    </dl>
    <p>
      The raw history is beside this file: <code>history.jsonl</code>, <code>readback.jsonl</code>,
      <code>marks.json</code>, <code>engine-marks.jsonl</code>;
      <code>holdfast drill analyze FOLDER</code> judges it again.
    </p>
  </section>`;
}
