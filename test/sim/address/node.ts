import type {
  ControllerEvent,
  ControllerSettings,
  ControllerState,
  Lease,
  Role,
  Step,
} from "../../../src/core/decide/address/types.ts";

/** What is tried: the product's `step`, or a wrong one. */
export interface Controller {
  readonly settings: (settings: ControllerSettings) => ControllerSettings;
  readonly initial: (settings: ControllerSettings, now: number) => ControllerState;
  readonly step: (
    settings: ControllerSettings,
    state: ControllerState,
    event: ControllerEvent,
    now: number,
  ) => Step;
}

/** What can be wrong with a host, each counted, since faults overlap. */
export interface Troubles {
  off: number;
  frozen: number;
  agentDown: number;
  agentFrozen: number;
  keepalivedDown: number;
  proxyDown: number;
  publicCut: number;
  apiCut: number;
  noCredentials: number;
  denied: number;
  witnessCut: number;
}

/** One host: keepalived, the proxy, the agent with its controller, and the network around them. */
export interface Node {
  readonly index: number;
  readonly priority: number;
  readonly troubles: Troubles;
  readonly settings: ControllerSettings;
  /** The agent's monotonic clock: `local` at true time `at`, and how fast it runs. */
  clock: { local: number; at: number; rate: number };
  role: Role;
  masterSince: number;
  masterUntil: number;
  /** Numbers VRRP's timers: an older one does nothing. */
  vrrpTimer: number;
  vrrpArmed: boolean;
  wasRunning: boolean;
  /** What the agent last wrote for keepalived's track file, and its parts. */
  healthSeen: boolean;
  fit: boolean;
  stateFile: string;
  roleSeen: Role;
  /** When a notification was lost last. */
  deafAt: number;
  leaseSeen: Lease;
  /** When the host went on after it had stood still with its clock: it cannot know that it did. */
  unawareAt: number;
  /** Since when the agent answers others. */
  answersSince: number;
  incarnation: number;
  state: ControllerState | null;
  /** What waits for a frozen agent. */
  queue: (() => void)[];
  wakeTimer: number;
  wakeAt: number;
  /** Changes asked for by this incarnation and confirmed: association ids by address. */
  confirmed: Map<string, string>;
  announcedAt: number;
  calls: { hour: number; count: number };
  /** When the agent was started, in the last hours. */
  starts: number[];
  moves: number[];
}

export const isOn = (node: Node): boolean => node.troubles.off === 0;
export const isFrozen = (node: Node): boolean => node.troubles.frozen > 0;
export const agentRuns = (node: Node): boolean => isOn(node) && node.troubles.agentDown === 0;
export const agentActs = (node: Node): boolean =>
  agentRuns(node) && !isFrozen(node) && node.troubles.agentFrozen === 0;
export const vrrpRuns = (node: Node): boolean => isOn(node) && node.troubles.keepalivedDown === 0;
export const vrrpSpeaks = (node: Node): boolean => vrrpRuns(node) && !isFrozen(node);
export const proxyServes = (node: Node): boolean =>
  isOn(node) && !isFrozen(node) && node.troubles.proxyDown === 0;
/** Whether clients that are sent to this host are served. */
export const serves = (node: Node): boolean => proxyServes(node) && node.troubles.publicCut === 0;

export const localTime = (node: Node, now: number): number =>
  node.clock.local + (now - node.clock.at) * node.clock.rate;

export function createNode(
  index: number,
  settings: ControllerSettings,
  clock: { readonly local: number; readonly rate: number },
): Node {
  return {
    index,
    priority: 254 - index,
    troubles: {
      off: 0,
      frozen: 0,
      agentDown: 0,
      agentFrozen: 0,
      keepalivedDown: 0,
      proxyDown: 0,
      publicCut: 0,
      apiCut: 0,
      noCredentials: 0,
      denied: 0,
      witnessCut: 0,
    },
    settings,
    clock: { ...clock, at: 0 },
    role: "unknown",
    masterSince: Infinity,
    masterUntil: -Infinity,
    vrrpTimer: 0,
    vrrpArmed: false,
    wasRunning: false,
    healthSeen: true,
    fit: true,
    stateFile: "",
    roleSeen: "unknown",
    deafAt: -Infinity,
    leaseSeen: "none",
    unawareAt: -Infinity,
    answersSince: 0,
    incarnation: 0,
    state: null,
    queue: [],
    wakeTimer: 0,
    wakeAt: Infinity,
    confirmed: new Map(),
    announcedAt: -Infinity,
    calls: { hour: 0, count: 0 },
    starts: [],
    moves: [],
  };
}
