/**
 * Every field of an object by name and position: of ELF, of BTF by kind, of `.BTF.ext`.
 *
 * @module
 */

/** Meaning of a field, which decides how it is changed. */
export type Role =
  | "type"
  | "string"
  | "count"
  | "size"
  | "offset"
  | "section"
  | "symbol"
  | "kind"
  | "flags"
  | "number"
  | "code";

/** A field in a piece or in an element. */
export interface Field {
  /** Its name in the report: `btf.struct.member.type`. */
  readonly label: string;
  /** Offset in the piece or element in bytes. */
  readonly at: number;
  /** Size in bytes. */
  readonly size: 1 | 2 | 4 | 8;
  /** Its meaning. */
  readonly role: Role;
  /** Lowest bit and width, when it is part of a number. */
  readonly bits?: readonly [shift: number, width: number] | undefined;
}

type Row = readonly [name: string, size: 1 | 2 | 4 | 8, role: Role];

function fields(prefix: string, rows: readonly Row[], from = 0): readonly Field[] {
  let at = from;
  return rows.map(([name, size, role]) => {
    const field = { label: `${prefix}.${name}`, at, size, role };
    at += size;
    return field;
  });
}

/** The ELF header. */
export const ELF_HEADER: readonly Field[] = fields("elf", [
  ["magic", 4, "number"],
  ["class", 1, "kind"],
  ["data", 1, "kind"],
  ["version", 1, "number"],
  ["osabi", 1, "number"],
  ["abiversion", 8, "number"],
  ["type", 2, "kind"],
  ["machine", 2, "kind"],
  ["version2", 4, "number"],
  ["entry", 8, "offset"],
  ["phoff", 8, "offset"],
  ["shoff", 8, "offset"],
  ["flags", 4, "flags"],
  ["ehsize", 2, "size"],
  ["phentsize", 2, "size"],
  ["phnum", 2, "count"],
  ["shentsize", 2, "size"],
  ["shnum", 2, "count"],
  ["shstrndx", 2, "section"],
]);

/** A section header. */
export const SECTION_HEADER: readonly Field[] = fields("section", [
  ["name", 4, "string"],
  ["type", 4, "kind"],
  ["flags", 8, "flags"],
  ["addr", 8, "offset"],
  ["offset", 8, "offset"],
  ["size", 8, "size"],
  ["link", 4, "section"],
  ["info", 4, "section"],
  ["addralign", 8, "number"],
  ["entsize", 8, "size"],
]);

/** One symbol. */
export const SYMBOL: readonly Field[] = fields("symbol", [
  ["name", 4, "string"],
  ["info", 1, "kind"],
  ["other", 1, "flags"],
  ["shndx", 2, "section"],
  ["value", 8, "offset"],
  ["size", 8, "size"],
]);

/** One relocation, without and with addend. */
export const RELOCATION: readonly Field[] = [
  { label: "relocation.offset", at: 0, size: 8, role: "offset" },
  { label: "relocation.type", at: 8, size: 4, role: "kind" },
  { label: "relocation.symbol", at: 12, size: 4, role: "symbol" },
];
/** See {@linkcode RELOCATION}. */
export const RELOCATION_WITH_ADDEND: readonly Field[] = [
  ...RELOCATION,
  { label: "relocation.addend", at: 16, size: 8, role: "offset" },
];

/** One instruction. */
export const INSTRUCTION: readonly Field[] = fields("code", [
  ["opcode", 1, "code"],
  ["registers", 1, "code"],
  ["offset", 2, "offset"],
  ["immediate", 4, "number"],
]);

/** Bytes without known structure. */
export const DATA: readonly Field[] = fields("data", [["word", 4, "number"]]);

/** The header of `.BTF`. */
export const BTF_HEADER: readonly Field[] = fields("btf.header", [
  ["magic", 2, "number"],
  ["version", 1, "number"],
  ["flags", 1, "flags"],
  ["hdr_len", 4, "size"],
  ["type_off", 4, "offset"],
  ["type_len", 4, "size"],
  ["str_off", 4, "offset"],
  ["str_len", 4, "size"],
  ["layout_off", 4, "offset"],
  ["layout_len", 4, "size"],
]);

/** The header of `.BTF.ext`. */
export const EXT_HEADER: readonly Field[] = fields("ext.header", [
  ["magic", 2, "number"],
  ["version", 1, "number"],
  ["flags", 1, "flags"],
  ["hdr_len", 4, "size"],
  ["func_info_off", 4, "offset"],
  ["func_info_len", 4, "size"],
  ["line_info_off", 4, "offset"],
  ["line_info_len", 4, "size"],
  ["core_relo_off", 4, "offset"],
  ["core_relo_len", 4, "size"],
]);

/** The head of the records of one code section in `.BTF.ext`. */
export const EXT_SECTION: readonly Field[] = fields("ext.section", [
  ["sec_name_off", 4, "string"],
  ["num_info", 4, "count"],
]);

/** The records of `.BTF.ext` in the order of its header. */
export const EXT_RECORDS: readonly { readonly what: string; readonly fields: readonly Field[] }[] =
  [
    {
      what: "ext.func",
      fields: fields("ext.func", [["insn_off", 4, "offset"], ["type_id", 4, "type"]]),
    },
    {
      what: "ext.line",
      fields: fields("ext.line", [
        ["insn_off", 4, "offset"],
        ["file_name_off", 4, "string"],
        ["line_off", 4, "string"],
        ["line_col", 4, "number"],
      ]),
    },
    {
      what: "ext.core",
      fields: fields("ext.core", [
        ["insn_off", 4, "offset"],
        ["type_id", 4, "type"],
        ["access_str_off", 4, "string"],
        ["kind", 4, "kind"],
      ]),
    },
  ];

/** One type of BTF: its head, and its elements where the kind has some. */
export interface TypeFields {
  /** The kind's name. */
  readonly kind: string;
  /** The first three words and those that follow whatever the number of elements. */
  readonly head: readonly Field[];
  /** Bytes of the head. */
  readonly headSize: number;
  /** The fields of one element; empty where the kind has none. */
  readonly element: readonly Field[];
  /** Bytes of one element. */
  readonly elementSize: number;
}

const REFERS = ["type", 4, "type"] as const;
const SIZE = ["size", 4, "size"] as const;
const NAMED = ["name", 4, "string"] as const;

/** By the number of the kind: the third word, what follows the head, the words of an element. */
const TYPES: readonly (readonly [
  kind: string,
  third: Row,
  fixed: readonly Row[],
  element: readonly Row[],
])[] = [
  ["void", SIZE, [], []],
  ["int", SIZE, [["encoding", 4, "flags"]], []],
  ["ptr", REFERS, [], []],
  ["array", SIZE, [["type", 4, "type"], ["index_type", 4, "type"], ["nelems", 4, "count"]], []],
  ["struct", SIZE, [], [NAMED, REFERS, ["offset", 4, "offset"]]],
  ["union", SIZE, [], [NAMED, REFERS, ["offset", 4, "offset"]]],
  ["enum", SIZE, [], [NAMED, ["value", 4, "number"]]],
  ["fwd", ["unused", 4, "number"], [], []],
  ["typedef", REFERS, [], []],
  ["volatile", REFERS, [], []],
  ["const", REFERS, [], []],
  ["restrict", REFERS, [], []],
  ["func", REFERS, [], []],
  ["func_proto", REFERS, [], [NAMED, REFERS]],
  ["var", REFERS, [["linkage", 4, "flags"]], []],
  ["datasec", SIZE, [], [REFERS, ["offset", 4, "offset"], SIZE]],
  ["float", SIZE, [], []],
  ["decl_tag", REFERS, [["component_idx", 4, "number"]], []],
  ["type_tag", REFERS, [], []],
  ["enum64", SIZE, [], [NAMED, ["value_low", 4, "number"], ["value_high", 4, "number"]]],
];

/** The fields of a type, by the number of its kind. */
export const BTF_TYPES: readonly TypeFields[] = TYPES.map(([kind, third, fixed, element]) => {
  const prefix = `btf.${kind}`;
  const info = (name: string, role: Role, shift: number, width: number): Field => ({
    label: `${prefix}.info.${name}`,
    at: 4,
    size: 4,
    role,
    bits: [shift, width],
  });
  return {
    kind,
    head: [
      { label: `${prefix}.name`, at: 0, size: 4, role: "string" },
      info("vlen", "count", 0, 24),
      info("kind", "kind", 24, 7),
      info("kind_flag", "flags", 31, 1),
      ...fields(prefix, [third, ...fixed], 8),
    ],
    headSize: 12 + fixed.length * 4,
    element: fields(`${prefix}.element`, element),
    elementSize: element.length * 4,
  };
});

/** The names of all fields that a mutation can reach. */
export const ALL_LABELS: readonly string[] = [
  ELF_HEADER,
  SECTION_HEADER,
  SYMBOL,
  RELOCATION_WITH_ADDEND,
  INSTRUCTION,
  DATA,
  BTF_HEADER,
  EXT_HEADER,
  EXT_SECTION,
  ...EXT_RECORDS.map((record) => record.fields),
  // No type is of kind void: its words come up as the kind of another.
  ...BTF_TYPES.slice(1).flatMap(({ head, element }) => [head, element]),
].flat().map(({ label }) => label).concat("ext.record_size");
