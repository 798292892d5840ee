/**
 * BTF types as plain data: one interface per kind, discriminated by `kind`.
 *
 * References to other types are ids; {@linkcode Btf.type} resolves them. Kinds and their numbers are the
 * kernel's (`include/uapi/linux/btf.h`).
 *
 * @module
 */

/** The kinds by number: `KINDS[4]` is `"struct"`. */
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

/** The number of each kind, as in `btf_type.info`. */
export const Kind: { readonly [K in KindName]: number } = Object.fromEntries(
  KINDS.map((name, number) => [name, number]),
) as { readonly [K in KindName]: number };

/** The fields of all types. */
export interface TypeBase {
  /** The id in its BTF; ids of split BTF continue after its base's. */
  readonly id: number;
  /** The name; empty for an anonymous type. */
  readonly name: string;
}

/** `void`, id 0. */
export interface VoidType extends TypeBase {
  /** The discriminator. */
  readonly kind: "void";
}

/** An integer, a character or a boolean. */
export interface IntType extends TypeBase {
  /** The discriminator. */
  readonly kind: "int";
  /** Size in bytes. */
  readonly size: number;
  /** Number of bits in use from `offset`; `size * 8` except for bitfields from before kind_flag. */
  readonly bits: number;
  /** Position of the first bit in use. */
  readonly offset: number;
  /** BTF_INT_BOOL, BTF_INT_CHAR or BTF_INT_SIGNED; `"unsigned"` when none is set. */
  readonly encoding: "unsigned" | "signed" | "char" | "bool";
  /** Whether BTF_INT_SIGNED is set; gcc sets it beside BTF_INT_CHAR. */
  readonly signed: boolean;
}

/** A pointer, a qualifier, a typedef or a type tag: a type that refers to one other type. */
export interface RefType extends TypeBase {
  /** The discriminator. */
  readonly kind: "ptr" | "typedef" | "volatile" | "const" | "restrict" | "type_tag";
  /** The id of that type. */
  readonly type: number;
  /** Whether the text of a type tag is an attribute by itself (kind_flag): `__attribute__((text))`. */
  readonly attribute?: boolean;
}

/** An array. */
export interface ArrayType extends TypeBase {
  /** The discriminator. */
  readonly kind: "array";
  /** The element type's id. */
  readonly type: number;
  /** The index type's id. */
  readonly indexType: number;
  /** Number of elements; 0 for a flexible array. */
  readonly length: number;
}

/** A member of a struct or union. */
export interface Member {
  /** The name; empty for an anonymous struct or union. */
  readonly name: string;
  /** The type's id. */
  readonly type: number;
  /** Offset in the struct in bits. */
  readonly bitOffset: number;
  /** Width of a bitfield in bits; 0 for an ordinary member. */
  readonly bitSize: number;
}

/** A struct or a union. */
export interface CompositeType extends TypeBase {
  /** The discriminator. */
  readonly kind: "struct" | "union";
  /** Size in bytes. */
  readonly size: number;
  /** The members, in order of declaration. */
  readonly members: readonly Member[];
}

/** An enumerator. */
export interface Enumerator {
  /** The name. */
  readonly name: string;
  /** The value; a bigint only in an `enum64`. */
  readonly value: number | bigint;
}

/** An enumeration of up to four (`enum`) or eight (`enum64`) bytes. */
export interface EnumType extends TypeBase {
  /** The discriminator. */
  readonly kind: "enum" | "enum64";
  /** Size in bytes: 1, 2, 4 or 8. */
  readonly size: number;
  /** Whether the values are signed (kind_flag). */
  readonly signed: boolean;
  /** The enumerators, in order of declaration. */
  readonly values: readonly Enumerator[];
}

/** A forward declaration. */
export interface FwdType extends TypeBase {
  /** The discriminator. */
  readonly kind: "fwd";
  /** The kind of the declared type. */
  readonly of: "struct" | "union";
}

/** A function. */
export interface FuncType extends TypeBase {
  /** The discriminator. */
  readonly kind: "func";
  /** The id of its `func_proto`. */
  readonly type: number;
  /** The linkage. */
  readonly linkage: "static" | "global" | "extern";
}

/** A parameter of a function prototype. */
export interface Parameter {
  /** The name; empty when the BTF has none. */
  readonly name: string;
  /** The type's id; 0 for the last one with an empty name means `...`. */
  readonly type: number;
}

/** A function prototype. */
export interface FuncProtoType extends TypeBase {
  /** The discriminator. */
  readonly kind: "func_proto";
  /** The id of the return type; 0 is void. */
  readonly returns: number;
  /** The parameters, in order. */
  readonly parameters: readonly Parameter[];
}

/** A variable. */
export interface VarType extends TypeBase {
  /** The discriminator. */
  readonly kind: "var";
  /** The id of its type. */
  readonly type: number;
  /** The linkage; `"global"` is an allocated variable. */
  readonly linkage: "static" | "global" | "extern";
}

/** A variable of a data section. */
export interface SectionVariable {
  /** The id of the `var` (or, for kfuncs, `func`). */
  readonly type: number;
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
}

/** A data section. */
export interface DatasecType extends TypeBase {
  /** The discriminator. */
  readonly kind: "datasec";
  /** Size in bytes; 0 as clang writes it. */
  readonly size: number;
  /** The variables, in the order of the BTF. */
  readonly variables: readonly SectionVariable[];
}

/** A floating-point number. */
export interface FloatType extends TypeBase {
  /** The discriminator. */
  readonly kind: "float";
  /** Size in bytes: 2, 4, 8, 12 or 16. */
  readonly size: number;
}

/** `btf_decl_tag`: a tag on a declaration, a member or a parameter. */
export interface DeclTagType extends TypeBase {
  /** The discriminator. */
  readonly kind: "decl_tag";
  /** The id of the tagged declaration. */
  readonly type: number;
  /** Index of the member or parameter; -1 for the declaration as a whole. */
  readonly componentIndex: number;
  /** Whether the text is an attribute by itself (kind_flag): `__attribute__((text))`. */
  readonly attribute?: boolean;
}

/** A type of an unknown kind, skipped with the layout section. */
export interface UnknownType extends TypeBase {
  /** The discriminator. */
  readonly kind: "unknown";
  /** The number of the kind. */
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
