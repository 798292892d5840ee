// Checks that a member added to one of the unions that tables are keyed by is a type error in every file
// that must handle it: a copy of the library gets one more member of each union, and `deno check` must
// report these files.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);

interface Union {
  /** Source text of the new member. */
  readonly member: string;
  /** Text that the new member is inserted before. */
  readonly file: string;
  readonly before: string;
  readonly insert: string;
  /** Files that must handle the new member. */
  readonly named: readonly string[];
}

const unions: { readonly [name: string]: Union } = {
  "attach kind": {
    member: "added_kind",
    file: "object/section/attach_spec.ts",
    before: '    | "syscall";',
    insert: '    | "added_kind"\n',
    named: [
      "loader/attach/kinds.ts",
      "loader/features/requirements.ts",
      "object/section/btf_target.ts",
      "object/section/table.ts",
      "plan/attach_forms.ts",
    ],
  },
  "program type": {
    member: "added_program",
    file: "uapi/enums.ts",
    before: "} as const;\n\n/** A name of {@linkcode ProgramType}. */",
    insert: "  added_program: 63,\n",
    named: [
      "loader/features/requirements.ts",
      "loader/program/run_types.ts",
      "object/relocate/argument_contexts.ts",
      "plan/program_types.ts",
    ],
  },
  "attach type": {
    member: "added_attach",
    file: "uapi/enums.ts",
    before: "} as const;\n\n/** A name of {@linkcode AttachType}. */",
    insert: "  added_attach: 63,\n",
    named: ["loader/features/requirements.ts", "plan/attach_types.ts"],
  },
  "link type": {
    member: "added_link",
    file: "uapi/enums.ts",
    before: "} as const;\n\n/** A name of {@linkcode LinkType}. */",
    insert: "  added_link: 63,\n",
    named: ["loader/attach/link_info.ts"],
  },
  "fields of BPF_LINK_CREATE": {
    member: "added_fields",
    file: "kernel/kernel.ts",
    before: '    | { readonly kind: "anchor"; readonly anchor: Anchor }',
    insert: '    | { readonly kind: "added_fields" }\n',
    named: ["kernel/linux/links.ts"],
  },
  "map type": {
    member: "added_map",
    file: "uapi/enums.ts",
    before: "} as const;\n\n/** A name of {@linkcode MapType}. */",
    insert: "  added_map: 63,\n",
    named: ["loader/features/requirements.ts", "object/spec/map_traits.ts"],
  },
  "map origin": {
    member: "added_origin",
    file: "object/spec/spec.ts",
    before: '  | "inner";',
    insert: '  | "added_origin"\n',
    named: ["object/spec/map_traits.ts"],
  },
};

/** Copies the library's sources, without its tests, to a new folder. */
async function copyLibrary(folder: string): Promise<string[]> {
  const { publish } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))) as {
    publish: { include: readonly string[] };
  };
  const sources: string[] = [];
  const copy = async (path: string): Promise<void> => {
    const from = new URL(path, root);
    if (!(await Deno.stat(from)).isDirectory) {
      if (path.endsWith("_test.ts")) return;
      await Deno.copyFile(from, `${folder}/${path}`);
      if (path.endsWith(".ts")) sources.push(path);
      return;
    }
    await Deno.mkdir(`${folder}/${path}`, { recursive: true });
    for await (const { name } of Deno.readDir(from)) {
      await copy(`${path.replace(/\/?$/, "/")}${name}`);
    }
  };
  for (const path of publish.include) await copy(path);
  await Deno.copyFile(new URL("deno.lock", root), `${folder}/deno.lock`);
  return sources;
}

/** Returns the errors of `deno check`, each with its text and its file. */
async function check(folder: string, sources: readonly string[]): Promise<[string, string][]> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--cached-only", ...sources],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  const errors = text.split(/^(?=TS\d+ \[ERROR\]: )/m).filter((part) => part.startsWith("TS"))
    .map((part): [string, string] => [
      part,
      new RegExp(`at file://${folder}/(.+?):\\d+:\\d+`).exec(part)?.[1] ?? "?",
    ]);
  assertEquals(success, errors.length === 0, text);
  return errors;
}

Deno.test("a member added to a union is a type error wherever something has to be said about it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "skep-unions-" });
  try {
    const sources = await copyLibrary(folder);
    for (const [name, { file, before, insert }] of Object.entries(unions)) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      assert(text.split(before).length === 2, `${name}: ${file} has not one ${before}`);
      await Deno.writeTextFile(`${folder}/${file}`, text.replace(before, insert + before));
    }
    const errors = await check(folder, sources);
    for (const [name, { member, named }] of Object.entries(unions)) {
      const files = errors.filter(([text]) => text.includes(member)).map(([, file]) => file);
      assertEquals([...new Set(files)].sort(), named, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
