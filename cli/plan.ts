/**
 * `skep plan`: computes the delegation that objects need.
 *
 * @module
 */

import { bold, dim, yellow } from "@std/fmt/colors";
import { holderText, type Plan, type Rewrite } from "../plan/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { jsonOption, UsageError } from "./options.ts";
import { stringify } from "./json.ts";
import { planFiles, profileOf } from "./plan_objects.ts";
import { terminalText } from "../errors/escape.ts";
import { table } from "./table.ts";

const forms: { readonly [form: string]: (plan: Plan) => string } = {
  mount: (plan) => plan.toMountOptions(),
  hex: (plan) => plan.toHex(),
  fsconfig: (plan) =>
    plan.toFsconfig().map(({ key, value }) =>
      `fsconfig(fd, FSCONFIG_SET_STRING, "${key}", "${value}", 0);`
    ).join("\n"),
  systemd: (plan) => plan.toSystemd(),
  incus: (plan) => plan.toIncus(),
  lxd: (plan) => plan.toLxd(),
  json: (plan) => stringify(plan, 2),
};

/** The `skep plan` command. */
export const plan: Command = {
  name: "plan",
  summary: "Computes the delegation that objects need, without loading them",
  usage: "FILE… [options]",
  options: [
    {
      name: "format",
      short: "f",
      kind: "value",
      placeholder: "FORM",
      help: `table (default), ${Object.keys(forms).join(", ")}`,
    },
    {
      name: "profile",
      kind: "value",
      placeholder: "skep|libbpf",
      help:
        "Loader to plan for: skep (exactly what the kernel checks) or libbpf (and what its probes need)",
    },
    {
      name: "rewrite",
      kind: "value",
      placeholder: "for-token|never",
      help:
        "Plan programs in a form that a token can attach (for-token, default), or as written (never)",
    },
    jsonOption,
  ],
  details: `Needs no privileges and no BPF in the kernel. Several objects make one plan.

Examples:
  skep plan execsnoop.bpf.o
  mount -t bpf bpf DIR -o "$(skep plan --format mount execsnoop.bpf.o)"   # in a user namespace's mount
  skep plan --format systemd a.bpf.o b.bpf.o > /etc/systemd/system/x.service.d/bpf.conf`,
  async run(parsed, io): Promise<number> {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep plan", "no file is given", "write skep plan FILE…");
    }
    const profile = profileOf("plan", parsed.value("profile"));
    const form = parsed.has("json") ? "json" : parsed.value("format") ?? "table";
    const print = form === "table" ? undefined : Object.hasOwn(forms, form) ? forms[form] : null;
    if (print === null) {
      throw new UsageError(
        "skep plan",
        `unknown format "${form}"`,
        `write one of table, ${Object.keys(forms).join(", ")}`,
      );
    }
    const made = await planFiles(
      parsed.operands,
      profile,
      rewriteOf(parsed.value("rewrite")),
    );
    io.out(print === undefined ? planTable(made, io.colour) : `${print(made).trimEnd()}\n`);
    return exitStatus.ok;
  },
};

/** Subjects of notes whose facts the table shows as the holder's access. */
const HOLDER_NOTES: ReadonlySet<string> = new Set(["reads", "attaches"]);

/** Highlights a line up to its colon. */
function heading(line: string, colour: boolean): string {
  const end = line.indexOf(":") + 1;
  return `${colour ? bold(line.slice(0, end)) : line.slice(0, end)}${
    terminalText(line.slice(end))
  }`;
}

/** Formats a plan as a table. */
function planTable(plan: Plan, colour: boolean): string {
  const words = plan.reasons.map(({ word, because }) => {
    const shown = because.slice(0, 3).join(", ");
    const more = because.length > 3 ? ` and ${because.length - 3} more` : "";
    return [word, shown + more];
  });
  for (const { capability, because } of plan.maybe) {
    const others = because.length > 1 ? ` and ${because.length - 1} more` : "";
    words.push([`CAP_${capability.toUpperCase()} (maybe)`, (because[0] ?? "") + others]);
  }
  const lines = [
    table([{ head: "NEEDED" }, { head: "BY" }], words, { colour }),
    `${colour ? bold("Mount options:") : "Mount options:"} ${terminalText(plan.toMountOptions())}`,
    ...holderText(plan.holder).map((line) => heading(`Its holder ${line}`, colour)),
  ];
  for (const note of plan.notes.filter(({ subject }) => !HOLDER_NOTES.has(subject ?? ""))) {
    const text = note.subject === undefined ? note.text : `${note.subject}: ${note.text}`;
    const label = note.level === "warning" ? "warning" : "note";
    const shown = terminalText(text);
    lines.push(
      colour
        ? label === "warning" ? `${yellow(label)}: ${shown}` : dim(`${label}: ${shown}`)
        : `${label}: ${shown}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function rewriteOf(word: string | undefined): Rewrite {
  if (word === undefined || word === "for-token" || word === "never") return word ?? "for-token";
  throw new UsageError(
    "skep plan",
    `unknown value "${word}" of --rewrite`,
    "write for-token or never",
  );
}
