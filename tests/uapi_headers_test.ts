// Compares the constants of uapi/ with the values that C compilers read from this machine's headers (or from
// headers unpacked in the folder SKEP_HEADERS) and with the enumerators in the running kernel's BTF. The headers
// may be older than the constants: names that they lack are counted, and must be few.

import { assert, assertEquals } from "@std/assert";
import { Btf } from "../btf/mod.ts";
import { architectures } from "../uapi/architecture.ts";
import { Errno } from "../uapi/errno.ts";
import { systemCallTables } from "../uapi/system_calls.ts";
import {
  type Architecture,
  checkClaims,
  findHeaders,
  namesIn,
  readConstants,
} from "./support/c_headers.ts";
import { families, kernelErrnos, systemCallNames } from "./support/uapi_families.ts";

/** Reads the constants of a generated file, with those of an architecture. */
async function constantsOf(
  file: string,
  architecture: Architecture,
): Promise<ReadonlyMap<string, number>> {
  const module: { [name: string]: unknown } = await import(`../uapi/${file}.ts`);
  const found = new Map<string, number>(Object.entries(architectures[architecture]));
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === "number") found.set(name, value);
  }
  return found;
}

function namesOf(names: string, all: ReadonlyMap<string, number>): string[] {
  return names.trim().split(/\s+/).flatMap((name) =>
    name.endsWith("*") ? [...all.keys()].filter((key) => key.startsWith(name.slice(0, -1))) : [name]
  );
}

for (const architecture of ["x86_64", "aarch64"] as const) {
  const headers = findHeaders(architecture, Deno.env.get("SKEP_HEADERS"));
  const name = `the constants of uapi/ are those of the C headers for ${architecture}`;
  if (typeof headers === "string") {
    Deno.test({ name: `${name} [skipped: ${headers}]`, ignore: true, fn: () => {} });
    continue;
  }
  Deno.test(name, async () => {
    let [held, unknown] = [0, 0];
    for (const { file, headers: list } of families) {
      const all = await constantsOf(file, architecture);
      for (const { header, names, expressions = {} } of list) {
        const claims = [...namesOf(names, all), ...Object.keys(expressions)].map((constant) => {
          const value = all.get(constant);
          assert(value !== undefined, `uapi/${file}.ts has no ${constant}`);
          return `(long long)(${expressions[constant] ?? constant}) == ${value}LL`;
        });
        const verdicts = await checkClaims(headers, header, claims);
        assertEquals(verdicts.false, [], `<${header}> says otherwise`);
        held += verdicts.held.length;
        unknown += verdicts.unknown.length;
      }
    }
    const errnos = await checkClaims(
      headers,
      "linux/errno.h",
      Object.entries(Errno).map(([errno, number]) => `${errno} == ${number}`),
    );
    assertEquals(errnos.false, [], "errno");
    // Kernel-internal constants are in no header for user space, and older headers lack the newest.
    assert(errnos.held.length > 130, `${errnos.held.length} errnos compared`);
    for (const errno of kernelErrnos) assert(Object.hasOwn(Errno, errno), errno);
    const numbers = await readConstants(
      headers,
      "linux/errno.h",
      await namesIn(headers, "linux/errno.h", "E"),
    );
    const known = new Set<number>(Object.values(Errno));
    for (const [errno, number] of numbers) assert(known.has(number), `${errno} has no name here`);
    const calls: { readonly [name: string]: number } = systemCallTables[architecture];
    assertEquals(Object.keys(calls).sort(), [...systemCallNames].sort());
    const verdicts = await checkClaims(
      headers,
      "asm/unistd.h",
      Object.entries(calls).map(([call, number]) => `__NR_${call} == ${number}`),
    );
    assertEquals([verdicts.false, verdicts.unknown], [[], []], "system calls");
    assert(held > 100 && unknown < held / 4, `${held} compared, ${unknown} not in these headers`);
  });
}

const own = findHeaders(Deno.build.arch === "aarch64" ? "aarch64" : "x86_64");
Deno.test({
  name: `a false claim about a header is found${
    typeof own === "string" ? ` [skipped: ${own}]` : ""
  }`,
  ignore: typeof own === "string",
  async fn(): Promise<void> {
    assert(typeof own !== "string");
    const claims = ["BPF_F_MMAPABLE == 1", "BPF_NOEXIST == 1", "BPF_F_NO_SUCH == 1"];
    assertEquals(await checkClaims(own, "linux/bpf.h", claims), {
      held: ["BPF_NOEXIST == 1"],
      unknown: ["BPF_F_NO_SUCH == 1"],
      false: ["BPF_F_MMAPABLE == 1"],
    });
  },
});

const VMLINUX = "/sys/kernel/btf/vmlinux";
const blob = await Deno.readFile(VMLINUX).catch(() => undefined);

Deno.test({
  name: `the constants of uapi/ are those that the running kernel enumerates${
    blob === undefined ? ` [skipped: needs ${VMLINUX}]` : ""
  }`,
  ignore: blob === undefined,
  async fn(): Promise<void> {
    const btf = Btf.parse(blob ?? new Uint8Array(), { name: "vmlinux" });
    const enumerators = new Map<string, Set<number>>();
    for (let id = 1; id < btf.endId; id++) {
      if (!btf.kindName(id).startsWith("enum")) continue;
      const type = btf.type(id);
      if (type.kind !== "enum" && type.kind !== "enum64") continue;
      for (const { name, value } of type.values) {
        enumerators.set(name, (enumerators.get(name) ?? new Set()).add(Number(value)));
      }
    }
    let compared = 0;
    for (const { file } of families) {
      for (const [constant, value] of await constantsOf(file, "x86_64")) {
        // A driver may define the same name with another value: one of the values must be ours.
        const values = enumerators.get(constant);
        if (values === undefined) continue;
        compared++;
        assert(
          values.has(value) || values.has(value | 0) || values.has(value >>> 0),
          `${constant} is ${value} in uapi/${file}.ts and ${[...values]} in the kernel`,
        );
      }
    }
    assert(compared > 100, `only ${compared} compared`);
  },
});
