import { get } from "node:http";
import type { HealthObservation } from "../core/decide/health.ts";

type Answer = Exclude<HealthObservation["proxy"], "gone" | "starting"> | "refused";

/**
 * How late a probe's own timer may fire before its outcome says nothing: then this process did not
 * get the CPU, and the answer may be waiting unread.
 */
const lateMs = 200;

/** Asks once, on a new connection, so that accepting connections is proven too. Never throws. */
export async function probeHttp(url: string, timeoutMs: number): Promise<Answer> {
  const start = performance.now();
  const answer = await new Promise<Answer>((resolve) => {
    const request = get(url, { agent: false }, (response) => {
      response.resume();
      response.on("error", () => resolve("failed"));
      response.on("end", () => resolve(response.statusCode === 200 ? "serving" : "failed"));
    });
    const timer = setTimeout(() => request.destroy(new Error("no answer in time")), timeoutMs);
    request.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "ECONNREFUSED" ? "refused" : "failed");
    });
    request.on("close", () => {
      clearTimeout(timer);
      resolve("failed");
    });
  });
  const late = performance.now() - start > timeoutMs + lateMs;
  return answer === "failed" && late ? "unknown" : answer;
}
