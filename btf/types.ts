/**
 * BTF types as plain data: one interface per kind, told apart by `kind`.
 *
 * Every reference to another type is its id (a number); {@linkcode Btf.type} follows it. The
 * kinds and their numbers are the kernel's (`include/uapi/linux/btf.h`).
 *
 * @module
 */

/** The kinds in the order of their numbers: `KINDS[4]` is `"struct"`. */
export const KINDS = [
  "void",
  "int",
  "ptr",
  "array",
  "struct",
  "union",
  "enum",
  "fwd",
  "typedef",
  "volatile",
  "const",
  "restrict",
  "func",
  "func_proto",
  "var",
  "datasec",
  "float",
  "decl_tag",
  "type_tag",
  "enum64",
] as const;

/** The name of a BTF kind. */
export type KindName = typeof KINDS[number];

/** The number of each kind, as it stands in `btf_type.info`. */
export const Kind: { readonly [K in KindName]: number } = Object.fromEntries(
  KINDS.map((name, number) => [name, number]),
) as { readonly [K in KindName]: number };

/** What all types have. */
export interface TypeBase {
  /** The id within its BTF; split BTF goes on where its base ends. */
  readonly id: number;
  /** The name; empty for an anonymous type. */
  readonly name: string;
}

/** `void`, id 0. */
export interface VoidType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "void";
}

/** An integer, a character or a bool. */
export interface IntType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "int";
  /** Bytes. */
  readonly size: number;
  /** Bits in use, from `offset` on; `size * 8` but for pre-kflag bitfields. */
  readonly bits: number;
  /** First bit in use. */
  readonly offset: number;
  /** BTF_INT_SIGNED, BTF_INT_CHAR, BTF_INT_BOOL or nothing (unsigned). */
  readonly encoding: "unsigned" | "signed" | "char" | "bool";
  /** Whether BTF_INT_SIGNED is set: gcc sets it beside BTF_INT_CHAR. */
  readonly signed: boolean;
}

/** A pointer, a qualifier, a typedef or a type tag: a type that refers to one other. */
export interface RefType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "ptr" | "typedef" | "volatile" | "const" | "restrict" | "type_tag";
  /** The id of the type it refers to. */
  readonly type: number;
  /** A type tag whose text is an attribute of its own (kind_flag): `__attribute__((text))`. */
  readonly attribute?: boolean;
}

/** An array. */
export interface ArrayType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "array";
  /** The element type's id. */
  readonly type: number;
  /** The index type's id. */
  readonly indexType: number;
  /** Number of elements; 0 for a flexible array. */
  readonly length: number;
}

/** One member of a struct or union. */
export interface Member {
  /** Empty for an anonymous struct or union within. */
  readonly name: string;
  /** The type's id. */
  readonly type: number;
  /** Bits from the start of the struct. */
  readonly bitOffset: number;
  /** Bits of a bitfield, 0 for an ordinary member. */
  readonly bitSize: number;
}

/** A struct or a union. */
export interface CompositeType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "struct" | "union";
  /** Bytes. */
  readonly size: number;
  /** In the order of declaration. */
  readonly members: readonly Member[];
}

/** One name of an enumeration. */
export interface Enumerator {
  /** The name. */
  readonly name: string;
  /** The value; a bigint only in an `enum64`. */
  readonly value: number | bigint;
}

/** An enumeration of up to four (`enum`) or eight (`enum64`) bytes. */
export interface EnumType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "enum" | "enum64";
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  /** Whether the values are signed (kind_flag). */
  readonly signed: boolean;
  /** In the order of declaration. */
  readonly values: readonly Enumerator[];
}

/** A forward declaration. */
export interface FwdType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "fwd";
  /** What it declares. */
  readonly of: "struct" | "union";
}

/** A function. */
export interface FuncType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "func";
  /** The id of its `func_proto`. */
  readonly type: number;
  /** Static, global or extern. */
  readonly linkage: "static" | "global" | "extern";
}

/** A parameter of a function prototype. */
export interface Parameter {
  /** Empty where the object does not tell. */
  readonly name: string;
  /** The type's id; 0 with an empty name as the last one means `...`. */
  readonly type: number;
}

/** A function prototype. */
export interface FuncProtoType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "func_proto";
  /** The id of the type returned; 0 is void. */
  readonly returns: number;
  /** In order. */
  readonly parameters: readonly Parameter[];
}

/** A variable. */
export interface VarType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "var";
  /** The id of its type. */
  readonly type: number;
  /** Static, global (allocated) or extern. */
  readonly linkage: "static" | "global" | "extern";
}

/** One variable's place in a data section. */
export interface SectionVariable {
  /** The id of the `var` (or, for kfuncs, `func`). */
  readonly type: number;
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** A data section. */
export interface DatasecType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "datasec";
  /** Bytes; 0 as clang writes it. */
  readonly size: number;
  /** In the order of the BTF. */
  readonly variables: readonly SectionVariable[];
}

/** A floating-point number. */
export interface FloatType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "float";
  /** Bytes: 2, 4, 8, 12 or 16. */
  readonly size: number;
}

/** `btf_decl_tag`: a text on a declaration, a member or a parameter. */
export interface DeclTagType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "decl_tag";
  /** What it is on. */
  readonly type: number;
  /** The member or parameter, -1 for the declaration as a whole. */
  readonly componentIndex: number;
  /** The text is an attribute of its own (kind_flag): `__attribute__((text))`. */
  readonly attribute?: boolean;
}

/** A kind that this version does not know, skipped by the BTF's layout section. */
export interface UnknownType extends TypeBase {
  /** Tells the kind. */
  readonly kind: "unknown";
  /** Its number. */
  readonly kindNumber: number;
}

/** Any BTF type. */
export type BtfType =
  | VoidType
  | IntType
  | RefType
  | ArrayType
  | CompositeType
  | EnumType
  | FwdType
  | FuncType
  | FuncProtoType
  | VarType
  | DatasecType
  | FloatType
  | DeclTagType
  | UnknownType;
