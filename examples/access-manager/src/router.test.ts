import { describe, expect, test } from "vitest";
import { HttpError, integerQuery, match, type Route, textField } from "./router.ts";

const route = (method: Route["method"], path: string): Route => ({
  method,
  path,
  handle: () => ({ status: 200 }),
});
const routes = [
  route("GET", "/s/api/v1/roles"),
  route("POST", "/s/api/v1/roles"),
  route("GET", "/s/api/v1/roles/:id"),
  route("DELETE", "/s/api/v1/members/:role/:name"),
];
const failure = (run: () => unknown): HttpError => {
  try {
    run();
  } catch (error) {
    if (error instanceof HttpError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("match", () => {
  test("by method and path, with decoded parameters", () => {
    expect(match(routes, "POST", "/s/api/v1/roles").route).toBe(routes[1]);
    expect(match(routes, "GET", "/s/api/v1/roles/a%2Fb%20c").parameters).toEqual({ id: "a/b c" });
    expect(match(routes, "DELETE", "/s/api/v1/members/r/m").parameters).toEqual({ role: "r", name: "m" });
  });
  test("HEAD is served by GET", () => {
    expect(match(routes, "HEAD", "/s/api/v1/roles").route).toBe(routes[0]);
  });
  test("404 for another path, a deeper path and an empty parameter", () => {
    for (const path of ["/", "/s/api/v1/role", "/s/api/v1/roles/a/b", "/s/api/v1/roles/"]) {
      expect(failure(() => match(routes, "GET", path)).status).toBe(404);
    }
  });
  test("405 names what is allowed", () => {
    const error = failure(() => match(routes, "PUT", "/s/api/v1/roles"));
    expect([error.status, error.headers]).toEqual([405, { allow: "GET, POST" }]);
  });
  test("400 for malformed percent-encoding", () => {
    expect(failure(() => match(routes, "GET", "/s/api/v1/roles/%zz")).status).toBe(400);
  });
});

test("textField refuses what is missing, not text, too long or not storable", () => {
  expect(textField({ id: "x" }, "id", { max: 3 })).toBe("x");
  expect(textField({}, "id", { max: 3, optional: true })).toBe("");
  for (const body of [{}, { id: 1 }, { id: "" }, { id: "long!" }, { id: "a\0" }, null, "text"]) {
    expect(failure(() => textField(body, "id", { max: 3 })).status).toBe(400);
  }
});

test("integerQuery has bounds", () => {
  expect(integerQuery(new URLSearchParams(""), "limit", 10, 100)).toBe(10);
  expect(integerQuery(new URLSearchParams("limit=7"), "limit", 10, 100)).toBe(7);
  for (const text of ["limit=0", "limit=101", "limit=x", "limit=1.5"]) {
    expect(failure(() => integerQuery(new URLSearchParams(text), "limit", 10, 100)).status).toBe(400);
  }
});
