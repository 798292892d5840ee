/**
 * What the product leaves out, each with its reason.
 *
 * @module
 */

/** By class, `Class.method` or function. */
export const exclusions: { readonly [name: string]: string } = {
  "LinuxKernel.call": "a system call by number: its caller names addresses, and is its own master",
  "LinuxKernel.ioctl": "an ioctl by number, whose argument may be an address",
  main: "takes the words of a command line, which are text",
  runInSandbox: "starts processes in namespaces: its attacks are of their own",
  withToken: "starts processes in namespaces: its attacks are of their own",
  serveBroker: "serves until it is told to end: its attacks are of their own",
  FakeMachine: "in memory, for tests: it has no kernel behind it",
  FakeMap: "in memory, for tests: it has no kernel behind it",
  FakePoller: "in memory, for tests: it has no kernel behind it",
  FakeChild: "in memory, for tests: it has no kernel behind it",
  FakeChildren: "in memory, for tests: it has no kernel behind it",
  FakeSockets: "in memory, for tests: it has no kernel behind it",
  DescriptorSink: "writes the broker's audit: its attacks are of their own",
  RecordView: "made by RingBuffer alone, whose callbacks and leases look at it",
  StructReader: "reads bytes in memory: its room has no FFI",
  NameMeter: "counts in memory: its room has no FFI",
  CoreSession: "computes in memory: its room has no FFI",
  ReplayKernel: "replays a recording: it has no kernel behind it",
  Token: "needs a token: its instances are of tests/token; static methods are called all the same",
};

/** Calls that wait as long as they are told to; with these values that is for ever. */
export const waits: readonly RegExp[] = [
  /^(RingBuffer|PerfBuffer|RecordReader|Poller)(:\w+)?\.poll (\d) (-1|2\*\*32|2\*\*53|Infinity|-\(2\*\*31\)|2\*\*32 and another's descriptor|2n\*\*64n - 1n)$/,
];
