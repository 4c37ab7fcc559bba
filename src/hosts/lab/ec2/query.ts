/** The EC2 Query protocol's parameters: `Action=…&Filter.1.Name=…&Filter.1.Value.1=…`. */
import { Ec2Error } from "./errors.ts";

export const apiVersion = "2016-11-15";

/**
 * Parameters of one request. It remembers what was asked for, so that a parameter that the action
 * does not know is refused, as on EC2, and not silently ignored.
 */
export class Params {
  readonly #values: ReadonlyMap<string, string>;
  readonly #known = new Set<string>();

  constructor(query: URLSearchParams) {
    this.#values = new Map(query);
  }

  optional(name: string): string | undefined {
    this.#known.add(name);
    const value = this.#values.get(name);
    return value === "" ? undefined : value;
  }

  required(name: string): string {
    const value = this.optional(name);
    if (value !== undefined) return value;
    throw new Ec2Error("MissingParameter", `The request must contain the parameter ${name}`);
  }

  flag(name: string): boolean | undefined {
    const value = this.optional(name)?.toLowerCase();
    if (value === undefined) return undefined;
    if (value === "true" || value === "false") return value === "true";
    throw new Ec2Error("InvalidParameterValue", `Value (${value}) for parameter ${name} is invalid.`);
  }

  /** Whole number from `min` to `max`. */
  count(name: string, min: number, max: number): number | undefined {
    const value = this.optional(name);
    if (value === undefined) return undefined;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new Ec2Error(
      "InvalidParameterValue",
      `Value ( ${value} ) for parameter ${name} is invalid. Expecting a value from ${min} to ${max}.`,
    );
  }

  /** `Name.1`, `Name.2`, … in the order of their numbers. */
  list(name: string): string[] {
    return this.#numbered(name)
      .map((number) => this.optional(`${name}.${number}`))
      .filter((value) => value !== undefined);
  }

  /** `Filter.N.Name` with `Filter.N.Value.M`. */
  filters(): { name: string; values: string[] }[] {
    return this.#numbered("Filter").map((number) => ({
      name: this.required(`Filter.${number}.Name`),
      values: this.list(`Filter.${number}.Value`),
    }));
  }

  /** @throws Ec2Error when there is a parameter that nobody asked for */
  requireAllKnown(): void {
    const unknown = [...this.#values.keys()].find((name) => !this.#known.has(name));
    if (unknown === undefined) return;
    throw new Ec2Error("UnknownParameter", `The parameter ${unknown} is not recognized`);
  }

  #numbered(name: string): number[] {
    const numbers = [...this.#values.keys()].flatMap((key) => {
      const [, number] = key.startsWith(`${name}.`) ? key.slice(name.length).split(".") : [];
      return number !== undefined && /^\d{1,4}$/.test(number) ? [Number(number)] : [];
    });
    return [...new Set(numbers)].toSorted((a, b) => a - b);
  }
}

/** @throws Ec2Error when a filter is unknown; `attribute` returns undefined for names that do not exist */
export function matches(
  filters: readonly { name: string; values: readonly string[] }[],
  attribute: (name: string) => readonly string[] | undefined,
): boolean {
  // Every name is looked at, so that a wrong filter is refused also when an earlier one matches nothing.
  return filters
    .map(({ name, values }) => {
      const actual = attribute(name);
      if (actual === undefined)
        throw new Ec2Error("InvalidParameterValue", `The filter '${name}' is invalid`);
      const patterns = values.map(wildcard);
      return actual.some((value) => patterns.some((pattern) => pattern.test(value)));
    })
    .every(Boolean);
}

/** EC2's filter values: `*` is any text, `?` one character, a backslash takes the meaning away. */
function wildcard(value: string): RegExp {
  const pattern = value.replaceAll(/\\[\\*?]|[\s\S]/g, (part) => {
    if (part === "*") return "[\\s\\S]*";
    if (part === "?") return "[\\s\\S]";
    return part.slice(-1).replace(/[.*+?^${}()|[\]\\]/, "\\$&");
  });
  return new RegExp(`^${pattern}$`);
}

/** One page of a Describe answer, and where the next begins. */
export function paged<T>(params: Params, items: readonly T[]): { page: T[]; nextToken: string | undefined } {
  const size = params.count("MaxResults", 5, 1000) ?? 1000;
  const start = params.optional("NextToken") ?? "0";
  if (!/^\d{1,6}$/.test(start)) throw new Ec2Error("InvalidNextToken", "The token is not valid");
  const end = Number(start) + size;
  return { page: items.slice(Number(start), end), nextToken: end < items.length ? String(end) : undefined };
}
