"use strict";
// Shows what this node knows. No dependencies, nothing inline: it runs under a strict CSP.

const REFRESH_MS = 2000;
const byId = (id) => document.getElementById(id);
const setText = (id, text) => {
  byId(id).textContent = text;
};
let token = ""; // kept in memory only

/** Any status is an answer; an exception means that nobody answered. */
async function get(path) {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
  const body = await response.json().catch(() => ({}));
  return { status: response.status, body, servedBy: response.headers.get("x-served-by") };
}

function setVerdict(text, tone) {
  setText("verdict", text);
  byId("verdict").className = `pill ${tone}`;
}

function showInstance({ status, body, servedBy }) {
  setVerdict(
    status === 200 ? "fit for traffic" : (body.state ?? `status ${status}`),
    status === 200 ? "good" : "bad",
  );
  setText("node", servedBy ?? body.node ?? "–");
  setText("release", body.version ?? "–");
  byId("checks").replaceChildren(
    ...Object.entries(body.checks ?? {}).map(([name, ok]) => {
      const item = document.createElement("li");
      // Not by colour alone.
      item.textContent = `${ok ? "✓" : "✗"} ${name}`;
      item.className = ok ? "good" : name === "redis" ? "warn" : "bad";
      return item;
    }),
  );
}

function showCache({ status, body }) {
  setText("cache-version", status === 200 && body.version > 0 ? String(body.version) : "not loaded");
  const known = typeof body.ageMs === "number";
  setText("cache-age", known ? `${(body.ageMs / 1000).toFixed(1)} s ago` : "never");
}

function cell(text, empty = "–") {
  const element = document.createElement("td");
  element.textContent = text === "" ? empty : text;
  if (text === "") element.className = "empty";
  return element;
}

function showRoles({ body }, members) {
  const roles = body.roles ?? [];
  setText("roles-count", `(${roles.length})`);
  byId("roles").replaceChildren(
    ...roles.map((role) => {
      const row = document.createElement("tr");
      const names = members.filter((member) => member.role === role.id).map((member) => member.name);
      row.append(
        cell(role.name),
        cell(role.description),
        cell(names.join(", "), token === "" ? "needs a token" : "none"),
      );
      return row;
    }),
  );
}

async function loadMembers() {
  if (token === "") return [];
  const { status, body } = await get("/role-store/api/v1/members");
  setText("token-state", status === 200 ? "accepted" : status === 401 ? "not accepted" : `status ${status}`);
  return body.members ?? [];
}

async function refresh() {
  try {
    const [instance, cache, roles, members] = await Promise.all([
      get("/monitor-service/api/v1/instance/status"),
      get("/role-store/api/v1/cache"),
      get("/role-store/api/v1/roles"),
      loadMembers(),
    ]);
    showInstance(instance);
    showCache(cache);
    if (roles.status === 200) showRoles(roles, members);
  } catch {
    setVerdict("no answer", "bad");
  }
}

async function loop() {
  await refresh();
  setTimeout(loop, REFRESH_MS);
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  setText("token-state", "");
  void refresh();
});
void loop();
