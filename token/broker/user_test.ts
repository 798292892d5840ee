import { assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { chooseBrokerUser } from "./user.ts";

function machine(files: { readonly [path: string]: string }, uid = 0): FakeKernel {
  const status = `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`;
  return new FakeKernel({ files: { "/proc/thread-self/status": status, ...files } });
}

const passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:\nskep:x:990:991::/:\nbroken\n";

Deno.test("root becomes the user skep where there is one, or whom it is told", () => {
  const kernel = machine({ "/etc/passwd": passwd });
  assertEquals(chooseBrokerUser(kernel), { uid: 990, gid: 991 });
  assertEquals(chooseBrokerUser(kernel, "web"), { uid: 33, gid: 34 });
  assertEquals(chooseBrokerUser(kernel, "5000"), { uid: 5000, gid: 5000 });
  assertEquals(chooseBrokerUser(kernel, "5000:6"), { uid: 5000, gid: 6 });
  assertEquals(chooseBrokerUser(kernel, "root"), undefined);
  assertThrows(() => chooseBrokerUser(kernel, "nobody-of-that-name"), SkepError, "/etc/passwd");
});

Deno.test("without that user it is a uid that nobody has, has been given, or runs as", () => {
  const kernel = machine({
    "/etc/passwd": "a:x:61184:1::/:\n",
    "/etc/subuid": "a:61185:2\n",
    "/proc/7/status": "Name:\tx\nUid:\t61187\t61188\t61187\t61187\n",
  });
  assertEquals(chooseBrokerUser(kernel), { uid: 61_189, gid: 61_189 });
});

Deno.test("who is not root stays who it is, and cannot become another", () => {
  const kernel = machine({ "/etc/passwd": passwd }, 990);
  assertEquals(chooseBrokerUser(kernel), undefined);
  assertThrows(() => chooseBrokerUser(kernel, "web"), SkepError, "only root");
});
