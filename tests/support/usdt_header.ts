/**
 * Reads the layout of a USDT probe's spec from libbpf's `bpf/usdt.bpf.h`: compiles it for BPF and reads the
 * BTF.
 *
 * @module
 */

import { Btf, type EnumType } from "../../btf/mod.ts";
import { ElfFile } from "../../elf/mod.ts";
import { type FlatField, flatFields } from "./flat_fields.ts";

/** The layouts of one version of the header. */
export interface UsdtHeader {
  /** Size of `struct __bpf_usdt_spec` in bytes. */
  readonly size: number;
  /** Size of `struct __bpf_usdt_arg_spec` in bytes. */
  readonly argumentSize: number;
  /** BPF_USDT_MAX_ARG_CNT. */
  readonly most: number;
  /** Fields of `struct __bpf_usdt_spec`. */
  readonly spec: readonly FlatField[];
  /** Fields of `struct __bpf_usdt_arg_spec`. */
  readonly argument: readonly FlatField[];
  /** `enum __bpf_usdt_arg_type`. */
  readonly kinds: readonly { readonly name: string; readonly value: number }[];
}

const SOURCE = `#include <linux/ptrace.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>
struct __bpf_usdt_spec spec;
`;

/** Reads the header in an include folder; returns a text with the reason when it cannot. */
export async function readUsdtHeader(include: string): Promise<UsdtHeader | string> {
  const object = await Deno.makeTempFile({ suffix: ".o" });
  try {
    const child = new Deno.Command("clang", {
      args: ["--target=bpf", "-D__TARGET_ARCH_x86", "-g", "-O2", "-w", "-I", include]
        .concat(["-idirafter", "/usr/include/x86_64-linux-gnu", "-xc", "-c", "-o", object, "-"]),
      stdin: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(SOURCE));
    await writer.close();
    const { success, stderr } = await child.output();
    if (!success) return `needs libbpf-dev: ${new TextDecoder().decode(stderr).split("\n", 1)[0]}`;
    const elf = ElfFile.parse(await Deno.readFile(object));
    const btf = Btf.parse(elf.section(".BTF")?.data ?? new Uint8Array());
    const struct = (name: string): number => btf.find(name, "struct") ?? 0;
    const [spec, argument] = [struct("__bpf_usdt_spec"), struct("__bpf_usdt_arg_spec")];
    const kinds = btf.type(btf.find("__bpf_usdt_arg_type", "enum") ?? 0) as EnumType;
    const fields = flatFields(btf, spec);
    const bytes = fields.find(({ name }) => name === "args")?.field[1] ?? 0;
    return {
      size: btf.size(spec),
      argumentSize: btf.size(argument),
      most: bytes / btf.size(argument),
      spec: fields,
      argument: flatFields(btf, argument),
      kinds: kinds.values.map(({ name, value }) => ({ name, value: Number(value) })),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "needs clang";
    throw error;
  } finally {
    await Deno.remove(object);
  }
}

function fieldsText(fields: readonly FlatField[]): string {
  return fields.map(({ name, field }) => `${name}: [${field.join(", ")}],\n`).join("");
}

/** Returns the text of `uapi/usdt.ts` from the versions of the header, oldest first, before `deno fmt`. */
export function usdtText(versions: readonly UsdtHeader[]): string {
  const newest = versions.at(-1);
  if (newest === undefined) throw new TypeError("Cannot generate: no version of usdt.bpf.h");
  const layouts = versions.map(({ size, argumentSize, spec, argument }) =>
    `{ size: ${size}, argumentSize: ${argumentSize}, spec: {\n${fieldsText(spec)}}, argument: {\n${
      fieldsText(argument)
    }} },`
  );
  return `/**
 * The structs of libbpf's \`usdt.bpf.h\`, which describe a USDT probe and its arguments to programs.
 *
 * Written by \`deno task generate --usdt FOLDER\`, once for each version of the header. Do not edit.
 *
 * @module
 */

/** Maximum number of arguments of a probe. */
export const BPF_USDT_MAX_ARG_CNT = ${newest.most};
${
    newest.kinds.map(({ name, value }) =>
      `/** \`enum __bpf_usdt_arg_type\`. */\nexport const ${name} = ${value};\n`
    ).join("")
  }
/** \`struct __bpf_usdt_spec\` and \`struct __bpf_usdt_arg_spec\`: before libbpf 1.7, and since. */
export const usdtLayouts = [
${layouts.join("\n")}
] as const;
`;
}
