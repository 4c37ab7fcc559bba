/** Walks the schema by path: which keys a mapping may have, what a key is for. */
import type { z } from "zod";
import type { Path } from "./problem.ts";

interface Definition {
  readonly type: string;
  readonly shape?: Record<string, z.ZodType>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly values?: readonly unknown[];
}

const definition = (schema: z.ZodType): Definition => schema.def;

/** The schema below optional, default, nullable and transform, and its nearest description. */
function unwrap(schema: z.ZodType): { schema: z.ZodType; description: string | undefined } {
  let inner = schema;
  let description = schema.description;
  for (;;) {
    const { innerType, in: input } = definition(inner);
    const next = innerType ?? input;
    if (next === undefined) return { schema: inner, description };
    inner = next;
    description ??= inner.description;
  }
}

/** The option of a discriminated union that the data chose, if it chose a known one. */
function chosen(union: Definition, data: unknown): z.ZodType | undefined {
  const key = union.discriminator;
  if (key === undefined || !isRecord(data)) return undefined;
  return union.options?.find((option) => {
    const kind = definition(option).shape?.[key];
    if (kind === undefined) return false;
    // A kind with a default is meant where none is given.
    if (data[key] === undefined) return kind.safeParse(undefined).success;
    return definition(unwrap(kind).schema).values?.includes(data[key]);
  });
}

function schemaAt(schema: z.ZodType, data: unknown, path: Path): z.ZodType | undefined {
  let current: z.ZodType | undefined = schema;
  let value = data;
  for (const part of path) {
    if (current === undefined) return undefined;
    let here = definition(unwrap(current).schema);
    if (here.type === "union") here = definition(unwrap(chosen(here, value) ?? current).schema);
    const own = here.shape !== undefined && Object.hasOwn(here.shape, part) ? here.shape[part] : undefined;
    current = own ?? here.valueType ?? here.element;
    value = isRecord(value) || Array.isArray(value) ? (value as Record<string, unknown>)[part] : undefined;
  }
  return current;
}

/** Keys that the mapping at a path may have; empty for anything but a mapping with fixed keys. */
export function keysAt(schema: z.ZodType, data: unknown, path: Path): string[] {
  const at = schemaAt(schema, data, path);
  if (at === undefined) return [];
  const { schema: inner } = unwrap(at);
  const here = definition(inner);
  const value = path.reduce<unknown>((value, part) => (isContainer(value) ? value[part] : undefined), data);
  const mapping = here.type === "union" ? chosen(here, value) : inner;
  return mapping === undefined ? [] : Object.keys(definition(mapping).shape ?? {});
}

/** The describe() text of the key at a path. */
export function descriptionAt(schema: z.ZodType, data: unknown, path: Path): string | undefined {
  const at = schemaAt(schema, data, path);
  return at === undefined ? undefined : unwrap(at).description;
}

/** Dotted paths of every mapping in the schema that has a key of this name. */
export function placesOf(schema: z.ZodType, key: string, path = ""): string[] {
  const here = definition(unwrap(schema).schema);
  const below = (part: string): string => (path === "" ? part : `${path}.${part}`);
  const children: [string, z.ZodType][] = Object.entries(here.shape ?? {}).map(([name, child]) => [
    below(name),
    child,
  ]);
  if (here.element !== undefined) children.push([`${path}[]`, here.element]);
  if (here.valueType !== undefined) children.push([below("<name>"), here.valueType]);
  for (const option of here.options ?? []) children.push([path, option]);
  const own = here.shape !== undefined && Object.hasOwn(here.shape, key) ? [path] : [];
  return [...new Set([...own, ...children.flatMap(([place, child]) => placesOf(child, key, place))])];
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isContainer = (value: unknown): value is Record<string | number, unknown> =>
  typeof value === "object" && value !== null;
