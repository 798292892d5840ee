/**
 * A machine with another kernel and this machine's files, for one command.
 *
 * The guest sees the host's root read-only, with its own memory over it: what it writes is gone
 * afterwards, but for the folders that are shared. It has no network.
 *
 * @module
 */

import { Archive } from "./archive.ts";
import { needPrograms, programPath } from "./commands.ts";
import type { BootableKernel } from "./kernels.ts";

/** Options of {@linkcode runMachine}. */
export interface MachineOptions {
  /** The command, run as root in `folder` with this process's environment. */
  readonly command: readonly string[];
  /** Working directory of the command. */
  readonly folder: string;
  /** Directories whose changes persist on the host. */
  readonly shared?: readonly string[] | undefined;
  /**
   * Seconds after which the machine is killed.
   *
   * @default {900}
   */
  readonly timeout?: number | undefined;
  /**
   * Memory of the machine.
   *
   * @default {"2G"}
   */
  readonly memory?: string | undefined;
  /**
   * Receives the command's output.
   *
   * @default writes to this process's output
   */
  readonly onOutput?: ((bytes: Uint8Array) => void) | undefined;
}

const NINE = "trans=virtio,version=9p2000.L,msize=512000";

/** Boot attempts for a machine that fails before its command writes anything. */
const ATTEMPTS = 3;

/**
 * Boots the kernel, runs the command, and answers its exit status. Throws when the machine fails.
 *
 * A kernel can panic while it looks for its timer when the emulating process gets too little time; a
 * machine that fails before the command has written anything is booted anew.
 */
export async function runMachine(kernel: BootableKernel, options: MachineOptions): Promise<number> {
  await needPrograms({ "qemu-system-x86_64": "qemu-system-x86", busybox: "busybox-static" });
  const scratch = await Deno.makeTempDir({ prefix: "skep-vm-" });
  try {
    await writeScripts(scratch, kernel, options, options.shared ?? []);
    for (let attempt = 1;; attempt++) {
      const { status, late, started } = await boot(scratch, kernel, options);
      if (status !== undefined) return status;
      if (!late && !started && attempt < ATTEMPTS) continue;
      const said = (await Deno.readTextFile(`${scratch}/console`).catch(() => "")).split("\n");
      throw new Error(
        `the machine with ${kernel.version} ${
          late ? "took too long" : "ended without a status"
        }:\n${said.slice(-40).join("\n")}`,
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Result of one boot. */
interface Boot {
  /** Exit status of the command; undefined when the machine failed first. */
  readonly status: number | undefined;
  /** Whether the machine was killed by the timeout. */
  readonly late: boolean;
  /** Whether the command wrote anything. */
  readonly started: boolean;
}

async function boot(
  scratch: string,
  kernel: BootableKernel,
  options: MachineOptions,
): Promise<Boot> {
  const status = `${scratch}/status`;
  // Emulation uses a processor for minutes; run it at low priority.
  const child = new Deno.Command("nice", {
    args: [
      "qemu-system-x86_64",
      ...await accelerator(),
      ...["-smp", "2", "-m", options.memory ?? "2G", "-nodefaults", "-display", "none"],
      ...["-no-reboot", "-kernel", `${kernel.folder}/vmlinuz`, "-initrd", `${scratch}/initrd`],
      ...["-append", "console=ttyS0 quiet panic=-1 oops=panic no_timer_check"],
      // Three serial ports: the kernel's console, the command's output, and its exit status.
      ...["-serial", `file:${scratch}/console`, "-serial", "stdio", "-serial", `file:${status}`],
      ...share("root", "/", true),
      ...(options.shared ?? []).flatMap((folder, index) => share(`share${index}`, folder, false)),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  // The machine has no terminal and would outlive this process.
  const stop = (): void => child.kill("SIGKILL");
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, (options.timeout ?? 900) * 1000);
  const write = options.onOutput ?? ((bytes): void => void Deno.stdout.writeSync(bytes));
  let started = false;
  for await (const bytes of child.stdout) {
    started = true;
    write(bytes);
  }
  await child.status;
  clearTimeout(timer);
  Deno.removeSignalListener("SIGTERM", stop);
  Deno.removeSignalListener("SIGINT", stop);
  const text = (await Deno.readTextFile(status).catch(() => "")).trim();
  return { status: /^\d+$/.test(text) ? Number(text) : undefined, late, started };
}

/** Returns arguments that share a host directory as a 9p device. */
function share(tag: string, path: string, readonly: boolean): string[] {
  const flags = readonly ? ",readonly=on,multidevs=remap" : "";
  return [
    "-fsdev",
    `local,id=${tag},path=${path},security_model=none${flags}`,
    "-device",
    `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
}

/**
 * Selects KVM if available, else emulation on one thread: with several, a processor may run stale
 * code after the kernel has patched it, which probes and trampolines do constantly.
 */
async function accelerator(): Promise<string[]> {
  const processor = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  const kvm = await Deno.open("/dev/kvm", { read: true, write: true })
    .then((file) => (file.close(), true), () => false);
  return kvm && /\b(vmx|svm)\b/.test(processor)
    ? ["-accel", "kvm", "-cpu", "host"]
    : ["-accel", "tcg,thread=single", "-cpu", "max,la57=off"];
}

async function writeScripts(
  scratch: string,
  kernel: BootableKernel,
  options: MachineOptions,
  shared: readonly string[],
): Promise<void> {
  const busybox = await programPath("busybox") ?? "";
  const archive = new Archive();
  for (const name of ["bin", "proc", "host", "memory", "new", "modules"]) archive.folder(name);
  archive.file("bin/busybox", await Deno.readFile(busybox));
  const modules: string[] = [];
  for await (const { name } of Deno.readDir(`${kernel.folder}/first`)) modules.push(name);
  for (const name of modules.sort()) {
    archive.file(`modules/${name}`, await Deno.readFile(`${kernel.folder}/first/${name}`));
  }
  archive.file("init", initScript(scratch, kernel, busybox, shared));
  await Deno.writeFile(
    `${scratch}/initrd`,
    new Uint8Array(await archive.bytes().arrayBuffer()),
  );
  const variables = Object.entries(Deno.env.toObject())
    .filter(([name]) => /^[A-Za-z_]\w*$/.test(name))
    .map(([name, value]) => `export ${name}=${quote(value)}`);
  await Deno.writeTextFile(
    `${scratch}/command`,
    [
      ...variables,
      `cd ${quote(options.folder)}`,
      `exec ${options.command.map(quote).join(" ")}`,
      "",
    ]
      .join("\n"),
  );
  await Deno.writeTextFile(
    `${scratch}/last`,
    `setsid sh ${scratch}/command </dev/null >/dev/ttyS1 2>&1
echo $? >/dev/ttyS2
# A change of mode waits until all is written.
stty -F /dev/ttyS1 raw; stty -F /dev/ttyS2 raw; sync
reboot -f
`,
  );
}

/**
 * Returns the init script: loads the modules for the file system, mounts an overlay in memory over
 * it, and mounts the kernel's file systems.
 */
function initScript(
  scratch: string,
  kernel: BootableKernel,
  busybox: string,
  shared: readonly string[],
): string {
  const shares = shared.map((folder, index) =>
    `mount -t 9p -o ${NINE},cache=mmap share${index} .${quote(folder)}`
  );
  return `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
for module in /modules/*; do insmod $module; done
mount -t 9p -o ro,${NINE},cache=loose root /host
mount -t tmpfs memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /new
cd /new
mount -t proc proc proc
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t sysfs sysfs sys
mount -t bpf bpf sys/fs/bpf
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tracefs tracefs sys/kernel/tracing
mount -t debugfs debugfs sys/kernel/debug
mount -t securityfs securityfs sys/kernel/security
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir -p lib/modules
ln -sfn ${quote(`${kernel.folder}/lib/modules/${kernel.version}`)} lib/modules/
mkdir -p boot
cp ${quote(`.${kernel.folder}/config`)} ${quote(`boot/config-${kernel.version}`)}
chmod 644 ${quote(`boot/config-${kernel.version}`)}
[ -e sbin/modprobe ] || ln -s ${quote(busybox)} sbin/modprobe
ifconfig lo up
hostname skep
stty -F dev/ttyS1 raw -echo
stty -F dev/ttyS2 raw -echo
${shares.join("\n")}
exec switch_root /new ${quote(busybox)} sh ${scratch}/last
`;
}

/** Quotes a text as one shell word. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
