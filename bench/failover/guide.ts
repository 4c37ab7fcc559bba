/**
 * The pair as the guide "Active-Passive HA for NGINX Plus on AWS Using Elastic IP Addresses" sets it up:
 * keepalived with advertisements every second, a health check every 3 s of weight 50, priorities 101 and
 * 100, and the distribution's nginx.
 */
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import type { Prober } from "./prober.ts";
import { must, type Side } from "./side.ts";

export const checkPath = "/usr/lib/keepalived/nginx-ha-check";

export interface GuidePair {
  readonly machines: readonly LabMachine[];
  /** Further lines of the VRRP instance: a virtual address, or what is called on transitions. */
  readonly instance: string;
  /** Whether clients' packets go to this machine. */
  readonly holds: (machine: LabMachine) => Promise<boolean>;
}

export const keepalivedConf = (
  self: LabMachine,
  peer: LabMachine,
  priority: number,
  instance: string,
): string => `
vrrp_script chk_nginx_service {
    script "${checkPath}"
    interval 3
    weight 50
}
vrrp_instance VI_1 {
    interface host0
    priority ${priority}
    virtual_router_id 52
    advert_int 1
    unicast_src_ip ${self.address}
    unicast_peer {
        ${peer.address}
    }
    authentication {
        auth_type PASS
        auth_pass bench
    }
    track_script {
        chk_nginx_service
    }
    ${instance}
}
`;

/** What the guide's check comes down to: is the service running? */
const check = "#!/bin/sh\nexec systemctl is-active --quiet nginx.service\n";

/** Writes the configuration; starts nothing. */
export async function setUpGuide({ machines, instance }: GuidePair): Promise<void> {
  const [first, second] = machines;
  if (first === undefined || second === undefined) throw new Error("a pair is two machines");
  for (const [self, peer, priority] of [
    [first, second, 101],
    [second, first, 100],
  ] as const) {
    await must(
      self,
      `mkdir -p /usr/lib/keepalived
cat > ${checkPath} <<'END'
${check}END
chmod 755 ${checkPath}
cat > /etc/keepalived/keepalived.conf <<'END'
${keepalivedConf(self, peer, priority, instance)}END`,
    );
  }
}

export const startGuide = async (machine: LabMachine): Promise<void> =>
  void (await must(machine, "systemctl start nginx.service keepalived.service"));

export function guideSide(pair: GuidePair, prober: Prober): Side {
  const { machines, holds } = pair;
  const holder = async (): Promise<LabMachine | undefined> => {
    const held = await Promise.all(
      machines.map(async (machine) => (await machine.state()) === "running" && holds(machine)),
    );
    return held.filter(Boolean).length === 1 ? machines[held.indexOf(true)] : undefined;
  };
  return {
    name: "guide",
    machines,
    prober,
    holder,
    async lacks() {
      const units = await Promise.all(
        machines.map(async (machine) =>
          machine.run(["systemctl", "is-active", "nginx.service", "keepalived.service"]),
        ),
      );
      if (units.some(({ code }) => code !== 0)) return "units are not active";
      // It preempts: only when the first has the address, nothing more is going to happen.
      return (await holder()) === machines[0] ? null : "the first does not hold the address";
    },
    restore: startGuide,
    handOver: async (machine) => void (await must(machine, "systemctl stop keepalived.service")),
    after: startGuide,
  };
}
