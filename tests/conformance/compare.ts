// Compares skep's results with libbpf's.

import type { ObjectAnswer, ProgramAnswer } from "./answer.ts";
import type { BaselineObject, BaselineProgram, ProgramFacts } from "./baseline.ts";

/** One difference. */
export interface Disagreement {
  readonly object: string;
  /** Absent for the object as a whole. */
  readonly program?: string | undefined;
  /** `verdict`, `errno`, or the name of a fact. */
  readonly what: string;
  readonly libbpf: string;
  readonly skep: string;
  /** libbpf's reason, or skep's error. */
  readonly why: string;
  /** Whether the difference is expected because the tables were made on another kernel build. */
  readonly kernelIds?: boolean | undefined;
}

/** An entry of differences.json: a difference that is correct, and why. */
export interface KnownDifference {
  readonly object: string;
  readonly program?: string | undefined;
  readonly what: string;
  readonly reason: string;
}

/** Two errno names with one number. */
const SAME: { readonly [name: string]: string } = { EWOULDBLOCK: "EAGAIN" };

function sameErrno(libbpf: string, skep: string): boolean {
  return (SAME[libbpf] ?? libbpf) === (SAME[skep] ?? skep);
}

/** Returns the differences for an object loaded whole. */
export function compareObject(libbpf: BaselineObject, skep: ObjectAnswer): Disagreement[] {
  const { object } = libbpf;
  const differ = (what: string, theirs: string, ours: string): Disagreement => ({
    object,
    what,
    libbpf: theirs,
    skep: ours,
    why: skep.error || libbpf.reason,
  });
  const found: Disagreement[] = [];
  if (libbpf.ok !== skep.ok) {
    found.push(
      differ("verdict", verdict(libbpf.ok, libbpf.errno), verdict(skep.ok, skep.errno)),
    );
  } else if (!libbpf.ok && !sameErrno(libbpf.errno, skep.errno)) {
    found.push(differ("errno", libbpf.errno, skep.errno));
  }
  if (libbpf.stage !== "open" && libbpf.maps !== skep.maps) {
    found.push(differ("maps", `${libbpf.maps}`, `${skep.maps}`));
  }
  for (const { program, says, loads } of skep.verify) {
    found.push({
      object,
      program,
      what: "verify",
      libbpf: "-",
      skep: says,
      why: `loads one by one: ${loads}`,
    });
  }
  if (skep.leaked !== 0) found.push(differ("descriptors", "0 leaked", `${skep.leaked} leaked`));
  return found;
}

/** Returns the differences for a program loaded alone. */
export function compareProgram(
  libbpf: BaselineProgram,
  skep: ProgramAnswer | undefined,
): Disagreement[] {
  const { object, program } = libbpf;
  const differ = (what: string, theirs: string, ours: string): Disagreement => ({
    object,
    program,
    what,
    libbpf: theirs,
    skep: ours,
    why: skep?.error || libbpf.reason,
  });
  if (skep === undefined) return [differ("program", "there", "missing")];
  const found: Disagreement[] = [];
  if (libbpf.section !== skep.section) {
    found.push(differ("section", libbpf.section, skep.section));
  }
  if (libbpf.ok !== skep.ok) {
    found.push(differ("verdict", verdict(libbpf.ok, libbpf.errno), verdict(skep.ok, skep.errno)));
    return found;
  }
  if (!libbpf.ok) {
    if (!sameErrno(libbpf.errno, skep.errno)) {
      found.push(differ("errno", libbpf.errno, skep.errno));
    }
    return found;
  }
  if (libbpf.type !== skep.type) found.push(differ("type", `${libbpf.type}`, `${skep.type}`));
  for (const name of Object.keys(libbpf.facts) as (keyof ProgramFacts)[]) {
    const [theirs, ours] = [libbpf.facts[name], skep.facts?.[name]];
    if (theirs === ours) continue;
    const kernelIds = name === "attachBtfId" || (name === "tag" && skep.kernelIds === true);
    found.push({ ...differ(name, `${theirs}`, `${ours}`), kernelIds });
  }
  return found;
}

function verdict(ok: boolean, errno: string): string {
  return ok ? "loads" : `refused (${errno})`;
}

/** Returns the entry that explains a difference; `*` matches any object or program. */
export function explanation(
  disagreement: Disagreement,
  known: readonly KnownDifference[],
): KnownDifference | undefined {
  return known.find((entry) =>
    (entry.object === "*" || entry.object === disagreement.object) &&
    (entry.program === "*" || entry.program === disagreement.program) &&
    entry.what === disagreement.what
  );
}
