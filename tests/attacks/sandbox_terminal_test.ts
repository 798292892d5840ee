/**
 * The caller's terminal: a command in the sandbox injects input into root's shell (ioctl TIOCSTI).
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { attack } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { sandbox, shellText, withFolder } from "./support/sandbox.ts";
import { sleep } from "./support/under_test.ts";

/** Injects its argument into a terminal through any descriptor or file that permits it. */
const typist = String.raw`
  my ($text, @places) = @ARGV;
  my $sent = 0;
  for my $place (@places) {
    my $file;
    if ($place =~ /^\d$/) { open $file, '+<&=', $place or next }
    else { open $file, '+<', $place or next }
    ioctl $file, 0x540e, 1;
    my $count = 0;
    for my $character (split //, $text) { $count++ if ioctl $file, 0x5412, $character }
    print "typed $count by $place\n";
  }
`;

const places: { readonly [how: string]: readonly string[] } = {
  "its standard input": ["0"],
  "its standard output and error": ["1", "2"],
  "/dev/tty": ["/dev/tty"],
};

/** Reason to skip when the kernel refuses TIOCSTI (sysctl dev.tty.legacy_tiocsti). */
function legacy(): string | undefined {
  try {
    const text = Deno.readTextFileSync("/proc/sys/dev/tty/legacy_tiocsti").trim();
    return text === "1" ? undefined : "needs dev.tty.legacy_tiocsti=1";
  } catch {
    return undefined;
  }
}

for (const [how, names] of Object.entries(places)) {
  attackTest("tokens", `a command cannot type into the caller's shell by ${how}`, async () => {
    await withFolder(async (folder) => {
      const mark = `${folder}/typed`;
      const command = ["perl", "-e", typist, `\n: > ${mark}\n`, ...names];
      const facts = await attack("terminal", [12, shellText(sandbox(command))]);
      assertEquals(facts["ended"], "yes", facts["screen"] ?? "");
      await sleep(100);
      const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
      assertEquals(left, [], `root's shell ran what the command typed: ${facts["screen"]}`);
    }, 0o700);
  }, legacy);
}

attackTest(
  "tokens",
  "a command cannot type into the caller's shell from a second session that acquires the terminal",
  async () => {
    await withFolder(async (folder) => {
      const mark = `${folder}/typed`;
      const script = `use POSIX (); exit if fork; POSIX::setsid(); ${typist} sleep 1;`;
      const command = ["perl", "-e", script, `\n: > ${mark}\n`, "0", "1", "2", "/dev/tty"];
      const facts = await attack("terminal", [12, shellText(sandbox(command))]);
      assertEquals(facts["ended"], "yes", facts["screen"] ?? "");
      await sleep(1200);
      const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
      assertEquals(left, [], `root's shell ran what the command typed: ${facts["screen"]}`);
    }, 0o700);
  },
  legacy,
);

attackTest("tokens", "a command at a terminal has a terminal and reads typed input", async () => {
  const script = 'test -t 0 && test -t 1 && echo re""ady && read x && echo "got <$x>"';
  const line = shellText(sandbox(["sh", "-c", script]));
  const facts = await attack("terminal", [12, line, "honey\n", "ready"]);
  assertEquals(facts["ended"], "yes", facts["screen"] ?? "");
  assertStringIncludes(facts["screen"] ?? "", "got <honey>");
});

attackTest(
  "tokens",
  "Ctrl-C ends a command at a terminal, and the shell continues",
  async () => {
    const line = shellText(sandbox(["sh", "-c", 'echo re""ady; exec sleep 30']));
    const started = performance.now();
    // Ctrl-C also ends the shell's current command list; the next line shows that the shell continues.
    const facts = await attack("terminal", [8, `${line} || true`, "\x03", "ready"]);
    assertStringIncludes(facts["screen"] ?? "", "ready");
    assert(performance.now() - started < 15_000);
  },
);
