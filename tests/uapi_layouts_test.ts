// Compares the layouts of uapi/ with C compilers, the running kernel's BTF and libbpf's header. The headers are
// this machine's, or those unpacked in the folder SKEP_HEADERS; both may be older than the layouts.

import { assert, assertEquals } from "@std/assert";
import { Btf } from "../btf/mod.ts";
import type { Field } from "../uapi/fields.ts";
import { attributes, structs, structSizes } from "../uapi/layouts.ts";
import { systemStructs, systemStructSizes } from "../uapi/system_layouts.ts";
import {
  BPF_USDT_ARG_CONST,
  BPF_USDT_ARG_REG,
  BPF_USDT_ARG_REG_DEREF,
  BPF_USDT_ARG_SIB,
  BPF_USDT_MAX_ARG_CNT,
  usdtLayouts,
} from "../uapi/usdt.ts";
import { checkClaims, findHeaders } from "./support/c_headers.ts";
import { type FlatField, flatFields } from "./support/flat_fields.ts";
import { attributeParts, idOf, keptBtf, namesOf, structFiles } from "./support/generate.ts";
import { readUsdtHeader } from "./support/usdt_header.ts";

/** A table of layouts without the types of its names. */
type Layouts = { readonly [struct: string]: { readonly [field: string]: Field } };

const layouts: Layouts = { ...structs, ...systemStructs };
const sizes: { readonly [struct: string]: number } = { ...structSizes, ...systemStructSizes };
const parts: Layouts = attributes;
const kept = keptBtf();

/** Returns the C expressions to compare with a layout; bit fields have no offset in C. */
function claimsOf(type: string, fields: readonly FlatField[], layout: Layouts[string]): string[] {
  return fields.flatMap(({ name, path, field: { length } }) => {
    const field = layout[name];
    if (field === undefined || length > 2) return [];
    return [
      `offsetof(${type}, ${path}) == ${field[0]} && sizeof(((${type} *)0)->${path}) == ${field[1]}`,
    ];
  });
}

for (const architecture of ["x86_64", "aarch64"] as const) {
  const headers = findHeaders(architecture, Deno.env.get("SKEP_HEADERS"));
  const name = `the layouts of uapi/ are those of the C headers for ${architecture}`;
  if (typeof headers === "string") {
    Deno.test({ name: `${name} [skipped: ${headers}]`, ignore: true, fn: () => {} });
    continue;
  }
  Deno.test(name, async () => {
    let [held, unknown] = [0, 0];
    const compare = async (header: string, claims: readonly string[]): Promise<void> => {
      const verdicts = await checkClaims(headers, header, claims);
      assertEquals(verdicts.false, [], `<${header}> says otherwise`);
      held += verdicts.held.length;
      unknown += verdicts.unknown.length;
    };
    for (const [header, names] of structFiles.flatMap((file) => file.headers)) {
      if (header === undefined) continue;
      for (const [struct, alias] of namesOf(names)) {
        const id = idOf(kept, struct, ["struct", "union"]);
        const fields = flatFields(kept, id);
        await compare(
          header,
          claimsOf(`${kept.kindName(id)} ${alias}`, fields, layouts[struct] ?? {}),
        );
      }
    }
    for (const [part, fields] of attributeParts(kept)) {
      await compare("linux/bpf.h", claimsOf("union bpf_attr", fields, parts[part] ?? {}));
    }
    assert(held > 300 && unknown < held / 3, `${held} compared, ${unknown} not in these headers`);
  });
}

const VMLINUX = "/sys/kernel/btf/vmlinux";
const blob = await Deno.readFile(VMLINUX).catch(() => undefined);

Deno.test({
  name: `the layouts of uapi/ are those of the running kernel${
    blob === undefined ? ` [skipped: needs ${VMLINUX}]` : ""
  }`,
  ignore: blob === undefined,
  fn(): void {
    const btf = Btf.parse(blob ?? new Uint8Array(), { name: "vmlinux" });
    let [compared, newer] = [0, 0];
    const compare = (struct: string, layout: Layouts[string], fields: readonly FlatField[]) => {
      const running = new Map(fields.map(({ name, field }) => [name, field]));
      for (const [name, field] of Object.entries(layout)) {
        const its = running.get(name);
        if (its === undefined) {
          newer++;
          continue;
        }
        compared++;
        assertEquals([...its], [...field], `${struct}.${name}`);
      }
    };
    for (const [struct, layout] of Object.entries(layouts)) {
      const id = btf.find(struct, ["struct", "union"]);
      assert(id !== undefined, `the kernel has no ${struct}`);
      compare(struct, layout, flatFields(btf, id));
      assert(btf.size(id) <= (sizes[struct] ?? 0) || Deno.osRelease() > "7.2", struct);
    }
    for (const [part, fields] of attributeParts(btf)) compare(part, parts[part] ?? {}, fields);
    assert(compared > 300 && newer < compared / 8, `${compared} compared, ${newer} newer`);
  },
});

const usdt = await readUsdtHeader("/usr/include");
const usdtName = "the layout of USDT specs is that of libbpf's usdt.bpf.h";
if (typeof usdt === "string") {
  Deno.test({ name: `${usdtName} [skipped: ${usdt}]`, ignore: true, fn: () => {} });
} else {
  Deno.test(usdtName, () => {
    const ours: unknown = usdtLayouts.find(({ size }) => size === usdt.size);
    const table = (fields: readonly FlatField[]): { [name: string]: readonly number[] } =>
      Object.fromEntries(fields.map(({ name, field }) => [name, field]));
    assertEquals(
      ours,
      {
        size: usdt.size,
        argumentSize: usdt.argumentSize,
        spec: table(usdt.spec),
        argument: table(usdt.argument),
      } as unknown as typeof ours,
    );
    assertEquals(usdt.most, BPF_USDT_MAX_ARG_CNT);
    const kinds: { readonly [name: string]: number } = {
      BPF_USDT_ARG_CONST,
      BPF_USDT_ARG_REG,
      BPF_USDT_ARG_REG_DEREF,
      BPF_USDT_ARG_SIB,
    };
    for (const { name, value } of usdt.kinds) assertEquals(kinds[name], value, name);
  });
}
