// Checks that the root exports the functions, classes and constants below (each group with its reason), every
// type that their signatures name, and nothing else. `deno doc --json` reads the signatures.

import { assert, assertEquals } from "@std/assert";
import * as face from "../mod.ts";

/** Names that users of the root call, construct or catch, grouped by use. */
const groups: { readonly [reason: string]: readonly string[] } = {
  "opening, loading and checking objects": [
    "BpfObject",
    "ObjectSpec",
    "eventTypes",
    "openObject",
    "verifyFiles",
    "verifyObject",
  ],
  "what a loaded object, a pin or an id gives": [
    "BpfMap",
    "IteratorReader",
    "Link",
    "Links",
    "PerfBuffer",
    "Program",
    "RingBuffer",
    "UserRingBuffer",
    "Variable",
    "programOutput",
    "traceLines",
  ],
  "what the running kernel has": ["enableStatistics", "features", "kernelBtf", "linuxKernel"],
  "what tests use": ["leakCheck"],
  "what is thrown, to catch it by instanceof": [
    "AttachError",
    "BtfError",
    "DelegationError",
    "ElfError",
    "KernelError",
    "ObjectError",
    "RelocationError",
    "SkepError",
    "VerifierError",
  ],
  "planning and granting a delegation, and using a token": [
    "Delegation",
    "Token",
    "attachmentText",
    "discoverTokens",
    "doctor",
    "plan",
    "planAttachment",
    "runInSandbox",
    "serveBroker",
    "withToken",
    "wordsText",
  ],
  "names and numbers that options take and results give": [
    "AttachType",
    "CORE_KINDS",
    "DELEGATION_SETS",
    "Errno",
    "KINDS",
    "LinkType",
    "MapType",
    "ProgramType",
  ],
  "an object's types as source text, and its bytes as values": [
    "codecFor",
    "printC",
    "printTypeScript",
  ],
  "keys and values without BTF: modules that `skep types` writes name them": [
    "BuildIdFrame",
    "CgroupStorageKey",
    "CpuTarget",
    "DeviceTarget",
    "Prefix",
  ],
};

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

interface Declaration {
  readonly kind: string;
  readonly [key: string]: Json;
}

interface Exported {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

let read: Promise<readonly Exported[]> | undefined;

/** Returns the root's exports as `deno doc` reads them. */
function exported(): Promise<readonly Exported[]> {
  return read ??= readExports();
}

async function readExports(): Promise<readonly Exported[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", new URL("../mod.ts", import.meta.url).pathname],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: { readonly [file: string]: { readonly symbols: readonly Exported[] } };
  };
  return Object.values(nodes).flatMap(({ symbols }) => symbols);
}

/** Returns whether this is a constructor for the library alone: its documentation has the tag `@internal`. */
function isInternalConstructor({ name, jsDoc }: { readonly [key: string]: Json }): boolean {
  const tags = (jsDoc as { tags?: readonly { kind: string }[] } | undefined)?.tags;
  return name === "constructor" && tags?.some(({ kind }) => kind === "internal") === true;
}

/** Returns the names of this package's types in a declaration, without the members that users cannot call. */
function namedTypes(json: Json, found: Set<string> = new Set()): Set<string> {
  if (json === null || typeof json !== "object") return found;
  if (Array.isArray(json)) {
    for (const part of json as readonly Json[]) namedTypes(part, found);
    return found;
  }
  const node = json as { readonly [key: string]: Json };
  if (node.accessibility === "private" || node.accessibility === "protected") return found;
  if (isInternalConstructor(node)) return found;
  if (node.kind === "typeRef") {
    const { typeName, resolution } = node.value as {
      typeName: string;
      resolution?: { kind: string; name?: string };
    };
    // A type without a resolution belongs to JavaScript or Deno.
    if (resolution !== undefined && resolution.kind !== "typeParam") {
      // After `import type * as K` the type's name follows the dot.
      const last = typeName.slice(typeName.lastIndexOf(".") + 1);
      found.add(typeName.includes(".") ? last : resolution.name ?? typeName);
    }
  }
  if (node.kind === "typeQuery") found.add(String(node.value));
  if (typeof node.extends === "string" && !(node.extends in globalThis)) found.add(node.extends);
  for (const [key, part] of Object.entries(node)) if (key !== "jsDoc") namedTypes(part, found);
  return found;
}

Deno.test("the reader of signatures sees every type that a caller meets", () => {
  const reference = (typeName: string, resolution?: { kind: string; name?: string }): Json => ({
    kind: "typeRef",
    value: resolution === undefined ? { typeName } : { typeName, resolution },
  });
  const found = namedTypes({
    extends: "Base",
    params: [
      reference("Own", { kind: "local" }),
      reference("Alias", { kind: "import", name: "Imported" }),
      reference("K.Kernel", { kind: "import", name: "K" }),
      reference("Uint8Array"),
      reference("T", { kind: "typeParam" }),
    ],
    members: [
      { accessibility: "private", tsType: reference("Hidden", { kind: "local" }) },
      {
        name: "constructor",
        jsDoc: { tags: [{ kind: "internal" }] },
        tsType: reference("Parts", { kind: "local" }),
      },
    ],
    returns: { kind: "typeQuery", value: "TABLE" },
  });
  assertEquals([...found].sort(), ["Base", "Imported", "Kernel", "Own", "TABLE"]);
});

Deno.test("the root exports every type that its signatures name", async () => {
  const symbols = await exported();
  const names = new Set(symbols.map(({ name }) => name));
  const missing = symbols.flatMap(({ name, declarations }) =>
    [...namedTypes(declarations)]
      .filter((type) => !names.has(type)).map((type) => `${name} names ${type}`)
  );
  assertEquals(missing, []);
});

Deno.test("the root exports what users call, the types of it, and nothing else", async () => {
  const symbols = await exported();
  const types = new Map(
    symbols.map(({ name, declarations }) => [name, namedTypes(declarations)]),
  );
  const listed = Object.values(groups).flat();
  assertEquals(listed.filter((name) => !types.has(name)), [], "listed here, but not exported");
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const type of types.get(name) ?? []) visit(type);
  };
  for (const name of listed) visit(name);
  assertEquals(
    [...types.keys()].filter((name) => !reached.has(name)).sort(),
    [],
    "no listed function, class or constant leads to these: an entry point of their room has them",
  );
});

Deno.test("functions and constants are exported as values", async () => {
  const wrong = (await exported())
    .filter(({ declarations }) =>
      declarations.some(({ kind }) => kind === "function" || kind === "variable")
    )
    .map(({ name }) => name)
    .filter((name) => !Object.hasOwn(face, name));
  assertEquals(wrong, []);
  // These names were exported as types only.
  const { AttachType, CORE_KINDS, DELEGATION_SETS, Errno, KINDS, LinkType, MapType, ProgramType } =
    face;
  for (const table of [AttachType, Errno, LinkType, MapType, ProgramType]) {
    for (const number of Object.values(table)) assert(Number.isInteger(number));
  }
  for (const list of [CORE_KINDS, DELEGATION_SETS, KINDS]) assert(Array.isArray(list));
});
