/**
 * Draws the demo's output as a picture for the README.
 *
 *     deno task picture     # runs the demo as root, writes docs/demo.svg
 *
 * @module
 */

const root = new URL("../../", import.meta.url);
const [lineHeight, characterWidth, margin] = [19, 8.0, 16];
const longest = 108;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Wraps a line to the width of the picture, after commas and spaces. */
function wrap(line: string): string[] {
  if (line.length <= longest) return [line];
  const at = Math.max(line.lastIndexOf(",", longest), line.lastIndexOf(" ", longest));
  const cut = at < longest / 2 ? longest : at + 1;
  return [line.slice(0, cut), ...wrap(`    ${line.slice(cut).trimStart()}`)];
}

function colourOf(line: string): string {
  if (line.startsWith("$")) return "#9ece6a";
  if (/^\[\d\]/.test(line)) return "#7aa2f7";
  if (/^ +PID/.test(line)) return "#e0af68";
  if (/^\d+ events/.test(line)) return "#9ece6a";
  return "#c0caf5";
}

/** Returns an SVG terminal that shows these lines. */
export function drawing(command: string, output: string): string {
  const lines = [`$ ${command}`, ...output.trimEnd().split("\n")].flatMap(wrap);
  const width = Math.ceil(longest * characterWidth + 2 * margin);
  const height = lines.length * lineHeight + 2 * margin;
  const text = lines.map((line, index) =>
    `  <text x="${margin}" y="${margin + (index + 1) * lineHeight - 5}" fill="${
      colourOf(line)
    }" xml:space="preserve">${escape(line)}</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13">
  <title>The output of the demo</title>
  <rect width="100%" height="100%" rx="8" fill="#1a1b26"/>
${text.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const version = (await Deno.readTextFile(new URL(".dvmrc", root))).trim();
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "examples/demo.ts"],
    cwd: root,
    stderr: "inherit",
  }).output();
  if (code !== 0) Deno.exit(code);
  const output = new TextDecoder().decode(stdout);
  const picture = drawing(`npx -y deno@${version} task demo`, output);
  await Deno.writeTextFile(new URL("docs/demo.svg", root), picture);
}
