import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  findExecutable,
  functionPlace,
  matchingFunctions,
  withExecutable,
} from "../../loader/attach/target/executable.ts";
import { usdtNotes } from "../../loader/attach/target/usdt_notes.ts";
import { kernelTest } from "../support/kernel.ts";

const kernel = linuxKernel();
const TARGET = new URL("../fixtures/probe_target", import.meta.url).pathname;
const anyone = { unprivileged: true } as const;

kernelTest("findExecutable finds libraries and programs by their names", anyone, () => {
  assert(findExecutable(kernel, "p", "libc.so.6").endsWith("/libc.so.6"));
  assert(/\/sh$/.test(findExecutable(kernel, "p", "sh")));
  assertEquals(findExecutable(kernel, "p", "./x"), "./x");
  assertThrows(() => findExecutable(kernel, "p", "no-such-program"), Error, "there is no program");
});

kernelTest("functionPlace tells the versions of a function apart", {
  ...anyone,
  needs: {
    unless: () =>
      kernel.machine.machine === "x86_64" ? undefined : "glibc has older versions on x86-64 alone",
  },
}, () => {
  withExecutable(kernel, "p", findExecutable(kernel, "p", "libc.so.6"), (file) => {
    const place = (version?: string): bigint =>
      functionPlace("p", file, "posix_spawn", version).offset;
    assertNotEquals(place("GLIBC_2.2.5"), place("GLIBC_2.15"));
    // A name without a version resolves to the default version, as in a newly linked program.
    assertEquals(place(), place("GLIBC_2.15"));
    assertThrows(
      () => place("GLIBC_9.9"),
      Error,
      "there is no version of posix_spawn in",
    );
  });
});

kernelTest(
  "functionPlace and matchingFunctions give bytes from the start of the file",
  anyone,
  () => {
    withExecutable(kernel, "p", TARGET, (file) => {
      const one = functionPlace("p", file, "target_one");
      const all = matchingFunctions("p", file, "target_*");
      assertEquals(all.map(({ name }) => name).sort(), ["target_one", "target_two"]);
      assert(all.some(({ offset }) => offset === one.offset));
      const section = file.section(".text");
      assert(section !== undefined && Number(one.offset) >= section.offset);
      assertThrows(() => matchingFunctions("p", file, "zz*"), Error, 'matches "zz*"');
    });
  },
);

kernelTest("usdtNotes reads probes with their places and semaphores", anyone, () => {
  withExecutable(kernel, "p", TARGET, (file) => {
    const [note, ...more] = usdtNotes(file);
    assertEquals(more, []);
    assertEquals(note?.provider, "skep");
    assertEquals(note?.name, "fired");
    assertEquals(note?.arguments, "-4@%edi 8@%rsi -4@$-7 8@(%rsp)");
    const text = file.section(".text");
    const probes = file.section(".probes");
    assert(note !== undefined && text !== undefined && probes !== undefined);
    // The instruction at a USDT probe is a nop.
    assertEquals(file.bytes[Number(note.offset)], 0x90);
    assertEquals(Number(note.semaphoreOffset), probes.offset);
  });
});

kernelTest("withExecutable says what is not an executable", anyone, () => {
  assertThrows(
    () => withExecutable(kernel, "p", new URL(import.meta.url).pathname, () => {}),
    Error,
    "attach p: ENOEXEC",
  );
});
