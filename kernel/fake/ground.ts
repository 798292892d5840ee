/**
 * What the parts of a fake kernel share.
 *
 * @module
 */

import type { FakeMap } from "./maps.ts";
import type { FakePoller } from "./poller.ts";
import type { PeerCredentials } from "../processes.ts";
import type { Result } from "../result.ts";

/** What a descriptor of the fake kernel leads to. */
export interface FakeObject {
  /** What it is. */
  readonly kind:
    | "map"
    | "program"
    | "btf"
    | "link"
    | "token"
    | "file"
    | "perf-event"
    | "filesystem"
    | "namespace"
    | "process"
    | "socket"
    | "other";
  /** The id that the kernel would give; 0 for what has none. */
  readonly id: number;
  /** The name, or the path. */
  readonly name: string;
  /** The map, for maps. */
  readonly map?: FakeMap | undefined;
  /** What it was loaded or created with. */
  readonly attributes?: unknown;
  /** The contents of a file, the blob of a BTF. */
  readonly bytes?: Uint8Array<ArrayBuffer> | undefined;
  /** What stat(2) gives as its inode, for namespaces. */
  readonly inode?: bigint | undefined;
}

/** What the `FakeProcesses` needs of the fake kernel that it is part of. */
export interface FakeGround {
  /** Says what is ready. */
  readonly poller: FakePoller;
  /** Logs a command with its answer: the script's refusal, or what `work` gives. */
  readonly run: (command: string, attributes: unknown, work: () => Result) => Result;
  /** Gives out a descriptor. */
  readonly add: (object: Omit<FakeObject, "id">) => number;
  /** What a descriptor leads to. */
  readonly object: (fd: number) => FakeObject | undefined;
  /** Takes a descriptor away. */
  readonly close: (fd: number) => Result;
}

/** A user namespace of the fake. */
export interface FakeUserNamespace {
  /** Its inode. */
  readonly inode: bigint;
  /** The uid that owns it. */
  readonly owner: number;
  /** The one above; without it, it is out of sight. */
  readonly parent?: FakeUserNamespace | undefined;
}

/** A process of the fake, as the other end of a socket or behind a pidfd. */
export interface FakeProcess extends PeerCredentials {
  /** The user namespace that it is in. */
  readonly userNamespace: FakeUserNamespace;
  /** The user namespace that owns the network namespace that it is in. */
  readonly networkOwner: FakeUserNamespace;
}
