/**
 * Attaches through perf events: shared by tracepoints, kprobes, uprobes and perf_event programs.
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

/** Options for binding a program to a perf event. */
export interface PerfLinkOptions {
  /** Value that `bpf_get_attach_cookie()` returns in the program (Linux 5.15). */
  readonly cookie?: bigint | undefined;
  /** Binds by PERF_EVENT_IOC_SET_BPF instead of a link, as kernels before Linux 5.15 require. @default {false} */
  readonly forceIoctl?: boolean | undefined;
}

/** Accepted values of these options. */
export const PERF: Expectations<PerfLinkOptions> = { cookie: BIGINT, forceIoctl: BOOLEAN };

/**
 * Binds a program to a perf event and enables the event. Takes over the event's descriptor, also when it
 * throws.
 *
 * Binds by a link (Linux 5.15), or by ioctl when the kernel has no perf links and no cookie is given.
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
    // EINVAL without a cookie: the kernel has no perf links, or it will refuse the ioctl as well.
    if (fd < 0 && (options.forceIoctl === true || failed(fd, Errno.EINVAL)) && cookie === 0n) {
      const result = kernel.ioctl(eventFd, PERF_EVENT_IOC_SET_BPF, program.fd);
      checkAttach(result, program.name, "PERF_EVENT_IOC_SET_BPF", { data: { target } });
    } else {
      checkAttach(fd, program.name, "BPF_LINK_CREATE", {
        data: { target },
        why: failed(fd, Errno.EPROTO)
          ? "the perf event samples call chains without the flags that the program's stack helpers need"
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

/** Returns the result of perf_event_open, or throws a KernelError that explains the refusal. */
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
      ? "use raw_tp, tp_btf, kprobe.multi or uprobe.multi, or grant CAP_PERFMON"
      : undefined,
  });
}

/** Reads a dynamic PMU from sysfs: its type number, and the config bit of return probes. */
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

/**
 * Refuses options that only perf events read, for a program that was loaded in another form.
 *
 * @throws {AttachError} EINVAL with the first such option.
 */
export function refusePerfOptions(
  program: AttachableProgram,
  form: string,
  options: { readonly [option: string]: unknown },
): void {
  const [option] = givenOptions(options);
  if (option === undefined) return;
  throw attachError(program.name, `it was loaded for ${form}, which reads no option "${option}"`, {
    errno: "EINVAL",
    fix: 'leave out the option, or load with rewrite: "never" and attach as root',
    data: { option, form },
  });
}
