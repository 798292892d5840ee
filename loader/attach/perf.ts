/**
 * Attaching through a perf event: what tracepoints, kprobes, uprobes and perf_event programs share.
 *
 * @module
 */

import { BIGINT, BOOLEAN, type Expectations, givenOptions } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import {
  PERF_EVENT_IOC_DISABLE,
  PERF_EVENT_IOC_ENABLE,
  PERF_EVENT_IOC_SET_BPF,
} from "../../uapi/perf.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const EVENT_SOURCES = "/sys/bus/event_source/devices";

/** How a program is bound to a perf event. */
export interface PerfLinkOptions {
  /** What `bpf_get_attach_cookie` answers in the program (Linux 5.15). */
  readonly cookie?: bigint | undefined;
  /** Binds by ioctl, the only way before Linux 5.15, instead of by a link. */
  readonly forceIoctl?: boolean | undefined;
}

/** What these options may be. */
export const PERF: Expectations<PerfLinkOptions> = { cookie: BIGINT, forceIoctl: BOOLEAN };

/**
 * Binds a program to a perf event and switches the event on. Takes over the descriptor, also when it
 * throws.
 *
 * Minimum kernel: Linux 5.15 for a link; before, the ioctl is used.
 */
export function attachToPerfEvent(
  kernel: Kernel,
  program: AttachableProgram,
  event: {
    readonly fd: number;
    readonly kind: string;
    readonly target: string;
    readonly closed?: (() => void) | undefined;
  },
  options: PerfLinkOptions = {},
): Link {
  const { fd: eventFd, kind, target, closed } = event;
  const cookie = options.cookie ?? 0n;
  let fd = -1;
  try {
    if (options.forceIoctl !== true) {
      fd = kernel.linkCreate({
        programFd: program.fd,
        target: eventFd,
        attachType: AttachType.perf_event,
        extra: { kind: "perf", cookie },
      });
    }
    // EINVAL with no cookie asked for: a kernel without perf links, or one that refuses the program in both ways.
    if (fd < 0 && (options.forceIoctl === true || failed(fd, Errno.EINVAL)) && cookie === 0n) {
      const result = kernel.ioctl(eventFd, PERF_EVENT_IOC_SET_BPF, program.fd);
      checkAttach(result, program.name, "PERF_EVENT_IOC_SET_BPF", { data: { target } });
    } else {
      checkAttach(fd, program.name, "BPF_LINK_CREATE", {
        data: { target },
        why: failed(fd, Errno.EPROTO)
          ? "the perf event samples call chains in a way that the program cannot use"
          : undefined,
      });
    }
    checkAttach(
      kernel.ioctl(eventFd, PERF_EVENT_IOC_ENABLE),
      program.name,
      "PERF_EVENT_IOC_ENABLE",
      {
        data: { target },
      },
    );
  } catch (error) {
    if (fd >= 0) kernel.close(fd);
    kernel.close(eventFd);
    closed?.();
    throw error;
  }
  return new Link(kernel, {
    kind,
    program: program.name,
    target,
    fd,
    descriptors: [eventFd],
    legacy: fd >= 0 ? undefined : { detach: () => kernel.ioctl(eventFd, PERF_EVENT_IOC_DISABLE) },
    closed,
  });
}

/** What the kernel's refusal of perf_event_open means for someone who attaches. */
export function checkPerfOpen(
  result: number,
  program: string,
  data: { readonly [key: string]: string | number },
): number {
  return checkAttach(result, program, "perf_event_open", {
    data,
    why: failed(result, Errno.EACCES, Errno.EPERM)
      ? "perf_event_open is not permitted here, and a BPF token cannot delegate it"
      : undefined,
    fix: failed(result, Errno.EACCES, Errno.EPERM)
      ? "use raw_tp, tp_btf, kprobe.multi or uprobe.multi, or give CAP_PERFMON"
      : undefined,
  });
}

/** A kind of perf event that the kernel has in sysfs: its number, and the config bit of return probes. */
export function eventSource(
  kernel: Kernel,
  name: "kprobe" | "uprobe",
): { readonly number: number; readonly returns: bigint } | undefined {
  const type = kernel.readFile(`${EVENT_SOURCES}/${name}/type`);
  if (type.result < 0) return undefined;
  const format = kernel.readFile(`${EVENT_SOURCES}/${name}/format/retprobe`);
  const text = new TextDecoder().decode(format.bytes);
  const bit = /config:(\d+)/.exec(text)?.[1] ?? "0";
  return {
    number: Number(new TextDecoder().decode(type.bytes).trim()),
    returns: 1n << BigInt(bit),
  };
}

/** Refuses options that only a perf event reads, for a program that was loaded for another form. */
export function refusePerfOptions(
  program: AttachableProgram,
  form: string,
  options: { readonly [option: string]: unknown },
): void {
  const [option] = givenOptions(options);
  if (option === undefined) return;
  throw attachError(program.name, `it was loaded for ${form}, which reads no option "${option}"`, {
    errno: "EINVAL",
    fix: 'leave the option out, or load with rewrite: "never" and attach as root',
    data: { option, form },
  });
}
