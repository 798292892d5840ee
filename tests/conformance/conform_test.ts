import { assertEquals } from "@std/assert";
import { conform, CORPUS, report } from "./conform.ts";

const corpusHere = await exists(CORPUS);
const root = Deno.uid() === 0;
const why = corpusHere ? (root ? "" : " (skipped: needs root)") : " (skipped: no corpus here)";

async function exists(url: URL): Promise<boolean> {
  try {
    await Deno.stat(url);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: `every fourth object of the corpus gets libbpf's verdicts, errnos and tags${why}`,
  ignore: why !== "",
  async fn(): Promise<void> {
    const result = await conform(CORPUS, { objects: 190 });
    console.log(report(result).split("\n").at(-1));
    assertEquals(result.disagreements, []);
    assertEquals(result.objectsAgreeing, result.objects);
  },
});
