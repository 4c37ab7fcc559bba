import { programPaths } from "./programs.ts";

export const addressUnitName = "holdfast-address.service";

/**
 * The agent on a host that was set up by the guide. Without it, nginx-ha-notify starts a controller for
 * each transition: the address still moves, half a second later, and what nobody notified is not repaired.
 * @param settings path of the file with the guide's variables: nginx-ha-notify itself
 */
export const addressUnit = (settings: string): string => `# Written by Holdfast.
[Unit]
Description=Holdfast: keeps the Elastic IP on the VRRP master
# before keepalived, so that its first transition is heard; it looks for itself when it starts later
Before=keepalived.service
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=${programPaths.node} ${programPaths.bundle} address run --settings ${settings}
Restart=always
RestartSec=200ms
# ahead of ordinary work on a busy machine, and the last to be killed for memory
Nice=-10
OOMScoreAdjust=-900
# to read what keepalived writes into its own /tmp when it is asked; nothing else
CapabilityBoundingSet=CAP_SYS_PTRACE
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/run
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SyslogIdentifier=nginx-ha-keepalived

[Install]
WantedBy=multi-user.target
`;
