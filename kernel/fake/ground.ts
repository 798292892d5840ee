/**
 * Types that the parts of the fake kernel share.
 *
 * @module
 */

import type { FakeMap } from "./maps.ts";
import type { FakePoller } from "./poller.ts";
import type { PeerCredentials } from "../processes.ts";
import type { Result } from "../result.ts";

/** The object behind a descriptor of the fake kernel. */
export interface FakeObject {
  /** Its kind. */
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
  /** The object's id; 0 for kinds that have none. */
  readonly id: number;
  /** The object's name or path. */
  readonly name: string;
  /** The map, for maps. */
  readonly map?: FakeMap | undefined;
  /** The attributes it was loaded or created with. */
  readonly attributes?: unknown;
  /** The contents of a file, or the bytes of a BTF. */
  readonly bytes?: Uint8Array<ArrayBuffer> | undefined;
  /** The inode that stat(2) returns, for namespaces. */
  readonly inode?: bigint | undefined;
}

/** The services of the fake kernel that its `FakeProcesses` uses. */
export interface FakeGround {
  /** The poller that ends waits. */
  readonly poller: FakePoller;
  /** Logs a command and returns its result: the injected errno, or what `work` returns. */
  readonly run: (command: string, attributes: unknown, work: () => Result) => Result;
  /** Adds a descriptor and returns its number. */
  readonly add: (object: Omit<FakeObject, "id">) => number;
  /** Returns the object behind a descriptor. */
  readonly object: (fd: number) => FakeObject | undefined;
  /** Closes a descriptor. */
  readonly close: (fd: number) => Result;
}

/** A user namespace of the fake kernel. */
export interface FakeUserNamespace {
  /** Its inode. */
  readonly inode: bigint;
  /** The uid that owns it. */
  readonly owner: number;
  /** The parent namespace; undefined when it is not visible (NS_GET_PARENT then fails with EPERM). */
  readonly parent?: FakeUserNamespace | undefined;
}

/** A process of the fake kernel, as a socket's peer or behind a pidfd. */
export interface FakeProcess extends PeerCredentials {
  /** The user namespace that it is in. */
  readonly userNamespace: FakeUserNamespace;
  /** The user namespace that owns the network namespace that it is in. */
  readonly networkOwner: FakeUserNamespace;
}
