/**
 * Formats a delegation as settings of systemd, Incus and LXD.
 *
 * @module
 */

import { type Delegation, DELEGATION_SETS, type DelegationSet } from "./delegation.ts";
import type { HolderAccess } from "./holder.ts";

/** systemd's setting of each set, and the prefix of its values. */
const SYSTEMD: { readonly [set in DelegationSet]: readonly [setting: string, prefix: string] } = {
  commands: ["BPFDelegateCommands", "BPF"],
  maps: ["BPFDelegateMaps", "BPFMapType"],
  programs: ["BPFDelegatePrograms", "BPFProgType"],
  attachments: ["BPFDelegateAttachments", "BPF"],
};

const INCUS: { readonly [set in DelegationSet]: string } = {
  commands: "security.bpffs.delegate_cmds",
  maps: "security.bpffs.delegate_maps",
  programs: "security.bpffs.delegate_progs",
  attachments: "security.bpffs.delegate_attachs",
};

const LXD: { readonly [set in DelegationSet]: string } = {
  commands: "security.delegate_bpf.cmd_types",
  maps: "security.delegate_bpf.map_types",
  programs: "security.delegate_bpf.prog_types",
  attachments: "security.delegate_bpf.attach_types",
};

/**
 * Formats a drop-in for a systemd service (systemd 258 and later).
 *
 * systemd accepts names only; values without a name are written as comments. When programs attach
 * to network namespaces, the unit gets a private one.
 */
export function toSystemd(
  plan: { readonly delegation: Delegation; readonly holder: HolderAccess },
): string {
  const lines = [
    "[Service]",
    "PrivateUsers=yes",
    "PrivateMounts=yes",
    "DelegateNamespaces=mnt",
    "PrivateBPF=yes",
  ];
  if (plan.holder.attaches.some(({ place }) => place === "network-namespaces")) {
    lines.push("PrivateNetwork=yes");
  }
  for (const set of DELEGATION_SETS) {
    const [setting, prefix] = SYSTEMD[set];
    const names = plan.delegation.names(set);
    const named = names.filter((name) => !name.startsWith("0x"));
    const nameless = names.filter((name) => name.startsWith("0x"));
    if (named.length > 0) {
      const words = named.map((name) => name === "any" ? name : prefix + camelCase(name));
      lines.push(`${setting}=${words.join(",")}`);
    }
    if (nameless.length > 0) {
      lines.push(`# ${setting}: systemd has no name for ${nameless.join(", ")}`);
    }
  }
  return lines.join("\n") + "\n";
}

/** Formats Incus instance keys for `incus config set INSTANCE`; names are joined by commas. */
export function toIncus(delegation: Delegation): string {
  return lines(delegation, INCUS, ",");
}

/** Formats LXD instance keys for `lxc config set INSTANCE`; names are joined by colons. */
export function toLxd(delegation: Delegation): string {
  return "security.delegate_bpf=true\n" + lines(delegation, LXD, ":");
}

function lines(
  delegation: Delegation,
  keys: { readonly [set in DelegationSet]: string },
  separator: string,
): string {
  return DELEGATION_SETS.flatMap((set) => {
    const value = delegation.optionValue(set);
    return value === undefined ? [] : [`${keys[set]}=${value.replaceAll(":", separator)}\n`];
  }).join("");
}

/** Converts `map_create` to `MapCreate`. */
function camelCase(name: string): string {
  return name.split("_").map((part) => part.slice(0, 1).toUpperCase() + part.slice(1)).join("");
}
