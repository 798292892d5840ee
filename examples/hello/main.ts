// Counts the programs started on this machine for five seconds.
//
//     sudo deno run --allow-ffi --allow-read examples/hello/main.ts
import { BpfObject } from "@skep/skep";

using object = await BpfObject.load(new URL("hello.bpf.o", import.meta.url));
using _links = object.attach();
const started = object.variable<bigint>("started");
for (let second = 1; second <= 5; second++) {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(`${second} s: ${started.get()} programs started`);
}
