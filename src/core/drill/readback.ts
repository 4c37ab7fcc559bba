/** What a read-back response says of one write. */
import type { ReadBack } from "./history.ts";

/**
 * Compares the body of a 200 with the value that was written. Understood: the value itself as
 * text, or JSON that is the value, an object with `value`, or a list of those (under `items` or alone).
 */
export function compareBody(body: string, value: string): Pick<ReadBack, "found" | "copies"> {
  const values = valuesIn(body);
  if (values.length === 0) return { found: "absent", copies: 0 };
  return { found: values.every((found) => found === value) ? "same" : "other", copies: values.length };
}

function valuesIn(body: string): string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return [body];
  }
  const items = isRecord(parsed) && Array.isArray(parsed["items"]) ? (parsed["items"] as unknown[]) : parsed;
  return (Array.isArray(items) ? items : [items]).map((item: unknown) => {
    const found = isRecord(item) && "value" in item ? item["value"] : item;
    return typeof found === "string" ? found : JSON.stringify(found);
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
