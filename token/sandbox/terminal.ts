/**
 * The pseudo-terminal of an interactive command, relayed to the caller's terminal.
 *
 * With the caller's terminal, the command could inject input (TIOCSTI) and change its settings.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import {
  BRKINT,
  CS8,
  CSIZE,
  ECHO,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IXON,
  OPOST,
  PARENB,
  PARMRK,
  VMIN,
  VTIME,
} from "../../uapi/terminals.ts";

/** Offset of c_cc in the kernel's `struct termios`. */
const CONTROL_CHARACTERS = 17;
const PIECE = 65536;
/** Bytes that are carried after the command's end: more than the kernel keeps of a terminal's output. */
const MOST_AFTER_END = 4 * PIECE;

/** The pseudo-terminal of one command. */
export class Terminal implements Disposable {
  /** The descriptors that become the command's 0, 1 and 2; an undefined one is inherited. */
  readonly standard: readonly (number | undefined)[];
  /** The slave; valid until {@linkcode closeSlave}. */
  readonly slave: number;
  readonly #kernel: Kernel;
  readonly #master: number;
  readonly #input: number | undefined;
  readonly #output: number;
  readonly #before: Uint8Array | undefined;
  readonly #resized: () => void;
  #slaveOpen = true;
  #commandEnded = false;
  #open = true;

  private constructor(
    kernel: Kernel,
    master: number,
    slave: number,
    terminals: readonly boolean[],
  ) {
    this.#kernel = kernel;
    this.#master = master;
    this.slave = slave;
    this.standard = terminals.map((terminal) => terminal ? slave : undefined);
    this.#input = terminals[0] === true ? 0 : undefined;
    this.#output = terminals[1] === true ? 1 : terminals[2] === true ? 2 : 0;
    const { terminals: calls } = kernel.processes;
    this.#resized = (): void => {
      calls.copyWindowSize(this.#output, master);
    };
    this.#resized();
    Deno.addSignalListener("SIGWINCH", this.#resized);
    const settings = this.#input === undefined ? undefined : calls.settings(this.#input);
    if (typeof settings !== "object") return;
    this.#before = settings;
    // The command's terminal does line editing, echo and signals; the caller's only carries bytes.
    calls.setSettings(0, rawSettings(settings));
  }

  /**
   * Opens a pseudo-terminal when 0, 1 or 2 is a terminal; returns undefined otherwise.
   *
   * @throws {KernelError} when no pseudo-terminal can be opened.
   */
  static open(kernel: Kernel, uid: number, gid: number): Terminal | undefined {
    const { terminals } = kernel.processes;
    const isTerminal = [0, 1, 2].map((fd) => typeof terminals.settings(fd) === "object");
    if (!isTerminal.includes(true)) return undefined;
    const opened = terminals.open(uid, gid);
    if (typeof opened !== "number") return new Terminal(kernel, ...opened, isTerminal);
    throw new KernelError({
      doing: "open",
      subject: "a terminal for the command",
      command: "open",
      result: opened,
      fix: "redirect standard input, output and error, or mount a devpts at /dev/pts",
      stage: "token",
    });
  }

  /** Closes this process's copy of the slave; call it when the command has its own. */
  closeSlave(): void {
    if (!this.#slaveOpen) return;
    this.#slaveOpen = false;
    this.#kernel.close(this.slave);
  }

  /**
   * Ends {@linkcode relay} when it has relayed what the terminal holds: the command may have sent its end to a
   * process outside, which would keep the caller waiting.
   */
  finish(): void {
    this.#commandEnded = true;
    this.#kernel.poller.forget(this.#master);
  }

  /** Relays bytes in both directions until every process has closed the slave, or until {@linkcode finish}. */
  async relay(): Promise<void> {
    const kernel = this.#kernel;
    if (this.#input !== undefined) this.#readInput(this.#input);
    let left = MOST_AFTER_END;
    while (this.#open && left > 0) {
      const ready = this.#commandEnded || await kernel.poller.wait(this.#master);
      if (!ready && !this.#commandEnded) break;
      const { result, bytes } = kernel.read(this.#master, PIECE);
      if (failed(result, Errno.EAGAIN) && !this.#commandEnded) continue;
      // EIO: every process has closed the slave.
      if (result < 0 || bytes.length === 0) break;
      if (this.#commandEnded) left -= bytes.length;
      await this.#writeAll(this.#output, bytes);
    }
  }

  /** Restores the caller's terminal and closes all descriptors. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    Deno.removeSignalListener("SIGWINCH", this.#resized);
    if (this.#before !== undefined) this.#kernel.processes.terminals.setSettings(0, this.#before);
    if (this.#input !== undefined) this.#kernel.poller.forget(this.#input);
    this.#kernel.poller.forget(this.#master);
    this.closeSlave();
    this.#kernel.close(this.#master);
  }

  async #readInput(fd: number): Promise<void> {
    const kernel = this.#kernel;
    while (this.#open && await kernel.poller.wait(fd)) {
      if (!this.#open) return;
      const { result, bytes } = kernel.read(fd, PIECE);
      if (result < 0 || bytes.length === 0) return;
      await this.#writeAll(this.#master, bytes);
    }
  }

  /** Writes all bytes, waiting while the receiver is full. */
  async #writeAll(fd: number, bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0 && this.#open) {
      const written = this.#kernel.write(fd, rest);
      if (failed(written, Errno.EAGAIN)) await new Promise((resolve) => setTimeout(resolve, 5));
      else if (written < 0) return;
      else rest = rest.subarray(written);
    }
  }
}

/** Returns settings without line editing, echo, signals and translation, as cfmakeraw(3) does. */
function rawSettings(settings: Uint8Array): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(settings);
  const view = new DataView(raw.buffer);
  const clear = (at: number, flags: number, set = 0): void =>
    view.setUint32(at, view.getUint32(at, true) & ~flags | set, true);
  clear(0, IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  clear(4, OPOST);
  clear(8, CSIZE | PARENB, CS8);
  clear(12, ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  raw[CONTROL_CHARACTERS + VMIN] = 1;
  raw[CONTROL_CHARACTERS + VTIME] = 0;
  return raw;
}
