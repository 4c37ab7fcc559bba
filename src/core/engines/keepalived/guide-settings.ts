/**
 * The settings of the guide "Active-Passive HA on AWS using Elastic IP addresses": shell variables at the
 * top of nginx-ha-notify, where an operator has filled them in. They are read, never executed.
 */

/** In the order in which they are written. */
export const guideVariables = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_DEFAULT_REGION",
  "HA_NODE_1",
  "HA_NODE_2",
  "ALLOCATION_ID",
  // Not the guide's: only where its defaults do not fit.
  "PROBE_PORT",
  "AWS_ENDPOINT_URL_EC2",
] as const;
export type GuideVariable = (typeof guideVariables)[number];
export type GuideSettings = Readonly<Partial<Record<GuideVariable, string>>>;

const assignment =
  /^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)=(?:"([^"'$`\\]*)"|'([^']*)'|([^\s"'$`\\;&|<>()]*))[ \t]*(?:#.*)?$/;

/** The variables that a script sets by plain assignments; empty ones are left out. The last one counts, as in a shell. */
export function readGuideSettings(script: string): GuideSettings {
  const found: Partial<Record<GuideVariable, string>> = {};
  for (const line of script.split(/\r?\n/)) {
    const match = assignment.exec(line);
    const name = guideVariables.find((variable) => variable === match?.[1]);
    if (match === null || name === undefined) continue;
    const value = match[2] ?? match[3] ?? match[4] ?? "";
    if (value === "") delete found[name];
    else found[name] = value;
  }
  return found;
}

/** What is wrong with the settings, each with what to do; empty when nothing is. */
export function guideProblems(settings: GuideSettings): string[] {
  const { ALLOCATION_ID: id, HA_NODE_1: one, HA_NODE_2: two, PROBE_PORT: probePort } = settings;
  const problems: string[] = [];
  if (id === undefined || !/^eipalloc-[0-9a-f]+$/.test(id))
    problems.push(`ALLOCATION_ID must be the Elastic IP's allocation id, eipalloc-…, and is "${id ?? ""}"`);
  if (settings.AWS_DEFAULT_REGION === undefined)
    problems.push("AWS_DEFAULT_REGION must be the region of the instances, such as eu-west-1");
  if (one === undefined || two === undefined || one === two)
    problems.push("HA_NODE_1 and HA_NODE_2 must be the private DNS names of the two instances");
  if ((settings.AWS_ACCESS_KEY_ID === undefined) !== (settings.AWS_SECRET_ACCESS_KEY === undefined))
    problems.push("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all (IAM role)");
  if (probePort !== undefined && !(Number.isInteger(Number(probePort)) && Number(probePort) > 0))
    problems.push(`PROBE_PORT must be a port, and is "${probePort}"`);
  return problems;
}
