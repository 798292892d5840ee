// Reads libbpf's results for the objects of the corpus.

/** One row of baseline.tsv. */
export interface BaselineObject {
  readonly object: string;
  /** Whether it opened and loaded with the default autoload. */
  readonly ok: boolean;
  /** Name of the errno; empty when it loaded. */
  readonly errno: string;
  /** Stage of the failure: `open`, `object` or `program`. */
  readonly stage: string;
  readonly reason: string;
  readonly maps: number;
  readonly programs: number;
}

/** The kernel's facts about a loaded program. */
export interface ProgramFacts {
  readonly tag: string;
  readonly xlatedLength: number;
  readonly mapCount: number;
  readonly funcInfoCount: number;
  readonly lineInfoCount: number;
  readonly hasBtf: boolean;
  readonly attachBtfId: number;
}

/** One row of baseline-progs.tsv. */
export interface BaselineProgram {
  readonly object: string;
  readonly program: string;
  readonly section: string;
  readonly ok: boolean;
  readonly errno: string;
  readonly stage: string;
  readonly type: number;
  readonly attachType: number;
  readonly instructions: number;
  readonly facts: ProgramFacts;
  readonly reason: string;
}

/** libbpf's results. */
export interface Baseline {
  readonly objects: readonly BaselineObject[];
  /** Programs by object. */
  readonly programs: ReadonlyMap<string, readonly BaselineProgram[]>;
}

/** Reads the two tables of a corpus. */
export async function readBaseline(corpus: URL): Promise<Baseline> {
  const objects = (await rows(new URL("baseline.tsv", corpus))).map((row): BaselineObject => ({
    object: row("object"),
    ok: row("open_rc") === "0" && row("load_rc") === "0",
    errno: dash(row("errno")),
    stage: dash(row("stage")),
    reason: row("reason"),
    maps: Number(row("n_maps")),
    programs: Number(row("n_progs")),
  }));
  const programs = new Map<string, BaselineProgram[]>();
  for (const row of await rows(new URL("baseline-progs.tsv", corpus))) {
    const program: BaselineProgram = {
      object: row("object"),
      program: row("program"),
      section: row("section"),
      ok: row("verdict") === "success",
      errno: dash(row("errno")),
      stage: dash(row("stage")),
      type: Number(row("prog_type")),
      attachType: Number(row("expected_attach_type")),
      instructions: Number(row("insns")),
      facts: {
        tag: row("tag"),
        xlatedLength: Number(row("xlated_len")),
        mapCount: Number(row("nr_map_ids")),
        funcInfoCount: Number(row("nr_func_info")),
        lineInfoCount: Number(row("nr_line_info")),
        hasBtf: row("has_btf") === "1",
        attachBtfId: Number(row("attach_btf_id")),
      },
      reason: row("reason"),
    };
    const list = programs.get(program.object);
    if (list === undefined) programs.set(program.object, [program]);
    else list.push(program);
  }
  return { objects, programs };
}

type Row = (column: string) => string;

async function rows(file: URL): Promise<Row[]> {
  const [head = "", ...lines] = (await Deno.readTextFile(file)).split("\n");
  const columns = new Map(head.split("\t").map((name, index) => [name, index]));
  return lines.filter((line) => line !== "").map((line) => {
    const cells = line.split("\t");
    return (column: string): string => {
      const index = columns.get(column);
      if (index === undefined) throw new Error(`${file.pathname} has no column ${column}`);
      return cells[index] ?? "";
    };
  });
}

function dash(cell: string): string {
  return cell === "-" ? "" : cell;
}
