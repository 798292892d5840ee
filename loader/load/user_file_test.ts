import { assertEquals, assertRejects } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { readUserFile } from "./user_file.ts";

const files = await Deno.permissions.query({ name: "read" });
const runs = await Deno.permissions.query({ name: "run" });
const ignore = files.state !== "granted" || runs.state !== "granted";

async function errnoOf(path: string): Promise<string | undefined> {
  return (await assertRejects(() => readUserFile(path), SkepError)).errno;
}

Deno.test({
  name: "readUserFile refuses pipes and devices without opening them",
  ignore,
  async fn(): Promise<void> {
    const folder = await Deno.makeTempDir();
    try {
      const pipe = `${folder}/pipe.o`;
      await new Deno.Command("mkfifo", { args: [pipe] }).output();
      assertEquals(await errnoOf(pipe), "EINVAL");
      assertEquals(await errnoOf("/dev/zero"), "EINVAL");
      assertEquals(await errnoOf(folder), "EISDIR");
      assertEquals(await errnoOf(`${folder}/missing.o`), "ENOENT");
      assertEquals(await errnoOf(`${pipe}/x`), "ENOTDIR");
      await Deno.symlink("circle.o", `${folder}/circle.o`);
      assertEquals(await errnoOf(`${folder}/circle.o`), "ELOOP");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "readUserFile reads whole objects, the start of other files, and refuses huge ones",
  ignore,
  async fn(): Promise<void> {
    const folder = await Deno.makeTempDir();
    try {
      const elf = new Uint8Array(100_000).map((_, index) => index);
      elf.set([0x7f, 0x45, 0x4c, 0x46]);
      await Deno.writeFile(`${folder}/elf.o`, elf);
      assertEquals(await readUserFile(`${folder}/elf.o`), elf);
      await Deno.truncate(`${folder}/elf.o`, 2 ** 32);
      assertEquals(await errnoOf(`${folder}/elf.o`), "EFBIG");
      await Deno.writeFile(`${folder}/other`, new Uint8Array(100_000));
      assertEquals((await readUserFile(`${folder}/other`)).length, 64);
      await Deno.writeFile(`${folder}/empty`, new Uint8Array());
      assertEquals((await readUserFile(`${folder}/empty`)).length, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
