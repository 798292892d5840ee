// Load, attach, read: the README's ten lines.
//
//     sudo deno run --allow-ffi --allow-read examples/ten_lines.ts
// #region ten
import { BpfObject } from "@skep/skep";

// Opens the object, finds a token if one was delegated, loads maps and programs.
using object = await BpfObject.load("examples/execsnoop/execsnoop.bpf.o");
// Attaches every program where its SEC() name says. Both are undone at the end of the scope.
using _links = object.attach();
// Records of the ring buffer, decoded by the object's own type information.
for await (const event of object.maps.get("events").records()) {
  console.log(event); // { pid: 4711, ppid: 4242, uid: 1000, comm: "ls", filename: "/usr/bin/ls" }
}
// #endregion ten
