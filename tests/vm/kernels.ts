/**
 * Debian's kernels, ready to boot: found in its package lists, unpacked once, kept outside of the tree.
 *
 * A kernel's folder has `vmlinuz`, its `config`, `lib/modules/VERSION`, and `first/`, the modules
 * without which the machine has no files, numbered in the order of loading.
 *
 * @module
 */

import { needPrograms, output, run } from "./commands.ts";

/** Debian suites with the oldest supported kernel, the current one and the newest. */
const SUITES = ["bookworm", "trixie", "sid"];
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Modules that the guest needs before it can read files. */
const FIRST = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/** A bootable kernel. */
export interface BootableKernel {
  /** Version as in `uname -r`. */
  readonly version: string;
  /** Its directory. */
  readonly folder: string;
}

/** Returns the cache directory: `$VMTEST_CACHE`, or a directory in the user's cache. */
export function cacheFolder(): string {
  return Deno.env.get("VMTEST_CACHE") ??
    `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/vmtest`;
}

/**
 * Returns the kernel for a version prefix (`6.1`, `6.12`), or `auto` for the newest. Uses a cached
 * one, or downloads the newest match from Debian.
 */
export async function obtainKernel(word: string): Promise<BootableKernel> {
  if (!/^(auto|\d[\w.+-]*)$/.test(word)) throw new Error(`"${word}" names no kernel`);
  const cache = cacheFolder();
  await Deno.mkdir(cache, { recursive: true });
  const kept = await keptKernel(cache, word);
  return kept ?? await bringKernel(cache, word);
}

/** Returns whether a version matches a prefix: `6.1` matches `6.1.0-50-amd64` but not `6.12`. */
function fits(version: string, word: string): boolean {
  return version === word || version.startsWith(`${word}.`) || version.startsWith(`${word}-`) ||
    version.startsWith(`${word}+`);
}

async function keptKernel(cache: string, word: string): Promise<BootableKernel | undefined> {
  if (word === "auto") {
    // A cached newest kernel stays the newest until it is deleted, so that runs can be compared.
    const marked = await Deno.readTextFile(`${cache}/newest`).catch(() => undefined);
    return marked === undefined ? undefined : await keptKernel(cache, marked);
  }
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(cache)) {
    if (isDirectory && /^\d/.test(name) && await isWhole(`${cache}/${name}`)) names.push(name);
  }
  const version = sortVersions(names).findLast((name) => fits(name, word));
  return version === undefined ? undefined : { version, folder: `${cache}/${version}` };
}

async function isWhole(folder: string): Promise<boolean> {
  return await exists(`${folder}/vmlinuz`) && await exists(`${folder}/config`);
}

function sortVersions(versions: readonly string[]): string[] {
  return [...versions].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

async function bringKernel(cache: string, word: string): Promise<BootableKernel> {
  await needPrograms({ busybox: "busybox-static", xz: "xz-utils" });
  const environment = await aptEnvironment(cache);
  await run("apt-get", ["-qq", "update"], { environment });
  const names =
    (await output("apt-cache", ["search", "--names-only", "^linux-image-[0-9].*-amd64$"], {
      environment,
    })).split("\n").map((line) => line.split(" ", 1)[0] ?? "")
      .filter((name) => /^linux-image-\d/.test(name) && !/-(cloud|rt)-|unsigned/.test(name))
      .map((name) => name.slice("linux-image-".length));
  const version = sortVersions(names).findLast((name) => word === "auto" || fits(name, word));
  if (version === undefined) throw new Error(`no kernel of Debian's fits "${word}"`);
  const folder = `${cache}/${version}`;
  if (!await isWhole(folder)) await unpack(cache, version, environment);
  if (word === "auto") await Deno.writeTextFile(`${cache}/newest`, version);
  return { version, folder };
}

/**
 * Returns an environment for apt with separate lists and sources, so that the machine's are
 * unchanged and root is not needed.
 */
async function aptEnvironment(cache: string): Promise<Record<string, string>> {
  const apt = `${cache}/apt`;
  await Deno.mkdir(`${apt}/lists/partial`, { recursive: true });
  await Deno.mkdir(`${apt}/archives/partial`, { recursive: true });
  const uris = (await output("apt-get", ["indextargets", "--format", "$(REPO_URI)"])).split("\n");
  const mirror = uris.findLast((uri) => uri.endsWith("/debian/"));
  if (mirror === undefined) throw new Error("this machine's apt knows no mirror of Debian");
  const sources = SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  await Deno.writeTextFile(`${apt}/sources.list`, sources.join(""));
  await Deno.writeTextFile(
    `${apt}/apt.conf`,
    `Dir::Etc::sourcelist "${apt}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::Lists "${apt}/lists";
Dir::Cache "${apt}";
APT::Sandbox::User "root";
Acquire::Languages "none";
`,
  );
  return { APT_CONFIG: `${apt}/apt.conf` };
}

async function unpack(
  cache: string,
  version: string,
  environment: Record<string, string>,
): Promise<void> {
  const work = await Deno.makeTempDir({ dir: cache, prefix: "new-" });
  try {
    // From Linux 7 on, the image package is empty and depends on packages of its parts.
    const depends = await output("apt-cache", [
      "depends",
      "--recurse",
      "-i",
      `linux-image-${version}`,
    ], {
      environment,
    });
    const packages = [
      ...new Set(depends.match(/^linux-(?:image|binary|modules|base)-\d\S*$/gm) ?? []),
    ];
    await run("apt-get", ["-qq", "download", ...packages], { environment, folder: work });
    for await (const { name } of Deno.readDir(work)) {
      if (name.endsWith(".deb")) await run("dpkg", ["-x", name, "."], { folder: work });
    }
    const out = `${work}/out`;
    await Deno.mkdir(`${out}/lib`, { recursive: true });
    await move([`${work}/lib/modules`, `${work}/usr/lib/modules`], `${out}/lib/modules`);
    await move(
      [`${work}/boot/vmlinuz-${version}`, `${out}/lib/modules/${version}/vmlinuz`],
      `${out}/vmlinuz`,
    );
    await move(
      [`${work}/boot/config-${version}`, `${out}/lib/modules/${version}/config`],
      `${out}/config`,
    );
    await prepareModules(out, version);
    await Deno.remove(`${cache}/${version}`, { recursive: true }).catch(() => {});
    await Deno.rename(out, `${cache}/${version}`);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function prepareModules(out: string, version: string): Promise<void> {
  const modules = `${out}/lib/modules/${version}`;
  for (const unused of ["sound", "drivers/net/ethernet", "drivers/net/wireless", "drivers/gpu"]) {
    await Deno.remove(`${modules}/kernel/${unused}`, { recursive: true }).catch(() => {});
  }
  await run("find", [modules, "-name", "*.ko.xz", "-exec", "xz", "-d", "{}", "+"]);
  await run("busybox", ["depmod", "-b", out, version]);
  const dependencies = new Map<string, string[]>();
  for (const line of (await Deno.readTextFile(`${modules}/modules.dep`)).split("\n")) {
    const [file = "", rest = ""] = line.split(":");
    const name = file.slice(file.lastIndexOf("/") + 1).replace(/\.ko$/, "");
    // busybox lists the nearest dependency first; loading needs the reverse order.
    dependencies.set(name, [file, ...rest.split(" ").filter((text) => text !== "")]);
  }
  const wanted = new Set(FIRST.flatMap((name) => (dependencies.get(name) ?? []).toReversed()));
  await Deno.mkdir(`${out}/first`);
  let number = 10;
  for (const file of wanted) {
    const name = file.slice(file.lastIndexOf("/") + 1);
    await Deno.copyFile(`${modules}/${file}`, `${out}/first/${number++}-${name}`);
  }
}

async function move(from: readonly string[], to: string): Promise<void> {
  for (const path of from) {
    if (await exists(path)) return await Deno.rename(path, to);
  }
  throw new Error(`the kernel's packages have none of ${from.join(", ")}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
