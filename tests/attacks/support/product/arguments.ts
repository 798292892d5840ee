/**
 * Arguments that methods and functions take: each is put to the test with one of them replaced. What is not
 * named here gets numbers, bytes and text.
 *
 * @module
 */

import type * as skep from "../../../../mod.ts";
import { FRESH } from "./fresh.ts";
import { fixture } from "./world.ts";

/** Descriptors that a call may use: they are made anew when a case has closed one. */
export interface Things {
  readonly map: skep.AnyMap;
  readonly array: skep.AnyMap;
  readonly perf: skep.AnyMap;
  readonly ring: skep.AnyMap;
  readonly userRing: skep.AnyMap;
  readonly file: number;
  readonly program: skep.Program;
  readonly object: skep.BpfObject;
  /** A bpffs of the child's own. */
  readonly directory: string;
}

type List = readonly unknown[];

const lookAt = (view: unknown, offset: unknown): boolean => {
  if (view instanceof DataView && typeof offset === "number") {
    view.setUint8(offset, view.getUint8(offset));
  }
  return true;
};

const chunk = { size: 4, flags: 0, take: false };
const bytes4 = new Uint8Array(4);
const bytes8 = new Uint8Array(8);

/** The lists by `Class.method` or function. */
export function argumentLists(things: Things): { readonly [name: string]: readonly List[] } {
  const { map, array, perf, ring, userRing, file, program, object, directory } = things;
  const kernel = map.kernel;
  const fd = program.fd;
  // Used up by the call that takes it.
  const spare = Object.assign(() => kernel.dup(file), { [FRESH]: true });
  const socket = { type: 1, instructions: exitProgram(), license: "GPL", name: "p", flags: 0 };
  const returned: List[] = [[fd, { mapIds: true, xlated: true, funcInfo: true }]];
  return {
    "BpfMap.create": [[{
      type: "hash",
      keySize: 4,
      valueSize: 8,
      maxEntries: 4,
      flags: 0,
      mapExtra: 0n,
      numaNode: 0,
    }], [{ type: "array_of_maps", keySize: 4, valueSize: 4, maxEntries: 2, inner: map }]],
    "BpfMap.open": [[map.info().id, { tokenFd: 0 }]],
    "BpfMap.get": [[1, { flags: 0 }], [bytes8]],
    "BpfMap.has": [[1]],
    "BpfMap.set": [[1, 1n, { mode: "always", flags: 0 }], [1, bytes8]],
    "BpfMap.delete": [[1]],
    "BpfMap.take": [[1, { flags: 0 }]],
    "BpfMap.getOnCpu": [[1, 0]],
    "BpfMap.setOnCpu": [[1, 0, 1n, { flags: 0 }]],
    "BpfMap.setOnAllCpus": [[1, 1n, { flags: 0 }]],
    "BpfMap.push": [[1n, { force: true }]],
    "BpfMap.mayHave": [[1n]],
    "BpfMap.entries": [[chunk]],
    "BpfMap.keys": [[chunk]],
    "BpfMap.values": [[chunk]],
    "BpfMap.batches": [[chunk]],
    "BpfMap.setAll": [[[[1, 1n], [2, 2n]], { flags: 0 }]],
    "BpfMap.deleteAll": [[[1, 2]]],
    "BpfMap.pin": [[`${directory}/pin`]],
    "BpfMap.records": [[{ name: "r", pages: 1, wakeup: 1 }]],
    "BpfMap.openRecords": [[{ name: "r", pages: 1, wakeup: 1 }]],
    "BpfMap.openInner": [[1]],
    "RawMap.get": [[bytes4, 0]],
    "RawMap.set": [[bytes4, bytes8, 0]],
    "RawMap.delete": [[bytes4]],
    "RawMap.take": [[bytes4, 0]],
    "RawMap.lookup": [[0]],
    "RawMap.lookupAndDelete": [[0]],
    "RawMap.update": [[0]],
    "RawMap.chunks": [[chunk]],
    "RawMap.batch": [[4]],
    "MapElements.lookup": [[0]],
    "MapElements.lookupAndDelete": [[0]],
    "MapElements.update": [[0]],
    "MapElements.next": [[true]],
    "MapBatch.lookup": [[0]],
    "MapBatch.lookupAndDelete": [[0]],
    "MapBatch.update": [[2, 0]],
    "MapBatch.delete": [[2, 0]],
    "BpfObject.load": [[fixture("loading"), { logLevel: 0, logSize: 4096, concurrency: 1 }]],
    "BpfObject.attach": [[{}]],
    "Program.testRun": [
      [{
        data: new Uint8Array(64),
        dataOutSize: 64,
        repeat: 1,
      }],
      [{ data: new Uint8Array(64), context: new Uint8Array(24), contextOutSize: 64 }],
      [{
        cpu: 0,
      }],
    ],
    "Program.info": [[{ mapIds: true }]],
    "Program.attach": [[{ interface: "lo", flags: 0 }]],
    "Program.pin": [[`${directory}/program`]],
    "Variable.set": [[1]],
    "Link.update": [[program, { replace: program }]],
    "Link.pin": [[`${directory}/link`]],
    "Link.fromId": [[kernel, 1]],
    "Link.fromFd": [[kernel, spare]],
    "RingBuffer.open": [[kernel, ring.fd, ring.maxEntries, {}]],
    "RingBuffer.consume": [[lookAt, 2]],
    "RingBuffer.wait": [[{ timeout: 1 }]],
    "RingBuffer.poll": [[1]],
    "RingBuffer.drain": [[2]],
    "RecordReader.drain": [[2]],
    "RecordReader.consume": [[lookAt, 2]],
    "RecordReader.wait": [[{ timeout: 1 }]],
    "RecordReader.poll": [[1]],
    "UserRingBuffer.open": [[kernel, userRing.fd, userRing.maxEntries, {}]],
    "UserRingBuffer.reserve": [[16]],
    "UserRingBuffer.write": [[bytes8]],
    "UserRingBuffer.send": [[bytes8]],
    "PerfBuffer.open": [[kernel, perf.fd, 64, { pages: 1, wakeup: 1 }]],
    "PerfBuffer.consume": [[lookAt, 2]],
    "PerfBuffer.wait": [[{ timeout: 1 }]],
    "PerfBuffer.poll": [[1]],
    "PerfBuffer.drain": [[2]],
    "IteratorReader.open": [[kernel, { fd }]],
    "LinuxKernel.mapCreate": [[{
      type: 1,
      keySize: 4,
      valueSize: 8,
      maxEntries: 4,
      flags: 0,
      name: "m",
      innerMapFd: 0,
      numaNode: 0,
      ifindex: 0,
      btfFd: 0,
      keyTypeId: 0,
      valueTypeId: 0,
      mapExtra: 0n,
    }]],
    "LinuxKernel.mapElements": [[map.fd, 4, 8]],
    "LinuxKernel.mapBatch": [[map.fd, 4, 8, 4]],
    "LinuxKernel.mapFreeze": [[array.fd]],
    "LinuxKernel.programLoad": [[{ ...socket, logLevel: 1, logSize: 4096, fdArray: [map.fd] }]],
    "LinuxKernel.programLoadSync": [[{ ...socket, logLevel: 1, logSize: 4096, fdArray: [map.fd] }]],
    "LinuxKernel.btfLoad": [[{ bytes: bytes8, logLevel: 1, logSize: 4096 }]],
    "LinuxKernel.getFdById": [["map", map.info().id]],
    "LinuxKernel.getNextId": [["map", 0]],
    "LinuxKernel.objectInfo": [[map.fd, 88], [map.fd, 88, { pointer: 0, length: 8 }]],
    "LinuxKernel.btfInfo": [[map.fd]],
    "LinuxKernel.programInfo": returned,
    "LinuxKernel.objectPin": [[map.fd, `${directory}/raw`]],
    "LinuxKernel.objectGet": [[`${directory}/raw`, 0]],
    "LinuxKernel.linkCreate": [[{ programFd: fd, target: 1, attachType: 37, flags: 0 }], [{
      programFd: fd,
      target: 1,
      attachType: 37,
      extra: { kind: "iter", info: bytes8 },
    }], [{
      programFd: fd,
      target: 1,
      attachType: 48,
      extra: {
        kind: "uprobe-multi",
        flags: 0,
        path: "/bin/true",
        offsets: [0n],
        cookies: [0n],
        pid: 0,
      },
    }]],
    "LinuxKernel.programAttach": [[{ target: map.fd, programFd: fd, attachType: 4, flags: 0 }]],
    "LinuxKernel.programDetach": [[{ target: map.fd, programFd: fd, attachType: 4 }]],
    "LinuxKernel.programQuery": [[1, 46, 0]],
    "LinuxKernel.programTestRun": [[{
      programFd: fd,
      dataIn: new Uint8Array(64),
      dataOutSize: 64,
      contextIn: new Uint8Array(24),
      contextOutSize: 24,
      repeat: 1,
    }]],
    "LinuxKernel.programStreamRead": [[fd, 1, 64]],
    "LinuxKernel.open": [[`${directory}/file`, 0]],
    "LinuxKernel.close": [[spare]],
    "LinuxKernel.read": [[file, 8]],
    "LinuxKernel.write": [[file, bytes8]],
    "LinuxKernel.readFile": [["/proc/self/status", 4096]],
    "LinuxKernel.map": [
      [map.fd, 4096, { writable: true, offset: 0, private: false }],
      [
        array.fd,
        4096,
        { writable: true, offset: 0, private: false, address: 0n },
      ],
      [array.fd, 4096, { writable: true, inPlace: true, offset: 0 }],
      [file, 4096, { offset: 0, private: true }],
    ],
    "LinuxKernel.perfEventOpen": [[{
      type: 1,
      config: 10n,
      samplePeriod: 1n,
      sampleType: 1024n,
      wakeup: 1,
      pid: -1,
      cpu: 0,
    }]],
    "LinuxKernel.netlink": [[new Uint8Array(20), 0]],
    "Poller.wait": [[ring.fd, { timeout: 1 }]],
    "Poller.poll": [[ring.fd, 1, false]],
    "Poller.forget": [[ring.fd]],
    "Token.fromFd": [[spare]],
    // A third of a second, and nothing but the kernel to give.
    doctor: [[]],
    attachProgram: [[kernel, { fd, name: "count", spec: program.spec }, program.spec.attach, {
      interface: "lo",
      flags: 0,
    }]],
    attachXdp: [[kernel, { fd, name: "count", spec: program.spec }, { interface: "lo", flags: 0 }]],
    copyRecord: [[new DataView(new ArrayBuffer(64)), 8, 8]],
    verifyObject: [[object.spec, { logLevel: 0 }]],
    programOutput: [[kernel, fd, { stream: "stdout" }]],
    readProgramOutput: [[kernel, fd, 1]],
    mapInfo: [[kernel, map.fd, "m"]],
    openRecords: [[kernel, { fd: ring.fd, name: "r", type: 27, maxEntries: 4096 }, {}], [
      kernel,
      { fd: perf.fd, name: "p", type: 4, maxEntries: 64 },
      { pages: 1 },
    ]],
    records: [[kernel, { fd: ring.fd, name: "r", type: 27, maxEntries: 4096 }, {}]],
    "new Descriptor": [[kernel, spare]],
    "new Mapping": [[new ArrayBuffer(4096), 0, (): void => {}]],
    "new RawMap": [[kernel, () => map.fd, {
      name: "m",
      keySize: 4,
      transferSize: 8,
      maxEntries: 64,
    }]],
  };
}

/** `r0 = 0; exit`. */
function exitProgram(): Uint8Array {
  return new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
}

/** What is given to a method that is not named above. */
export const GENERIC: readonly List[] = [[1, 1], [bytes8], ["name", { size: 1 }]];
