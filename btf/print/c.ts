/**
 * Prints BTF as C declarations with the layout that the BTF describes.
 *
 * @module
 */

import { type Btf, rawTypes } from "../btf.ts";
import { fillHole } from "./c_layout.ts";
import { cIdentifier, cStringLiteral } from "../../errors/escape.ts";
import { isBuiltIn, NameSpace } from "./c_names.ts";
import { BtfError } from "../error.ts";
import { forEachReference } from "../build/references.ts";
import {
  type CompositeType,
  type EnumType,
  type FuncProtoType,
  Kind,
  type Member,
} from "../types.ts";

/** Options of {@linkcode printC} and {@linkcode printAllC}. */
export interface PrintCOptions {
  /**
   * The name of an include guard. With it the text is guarded, and every record is marked
   * `preserve_access_index`, which CO-RE requires of a `vmlinux.h`.
   */
  readonly guard?: string | undefined;
}

/** Maximum nesting of pointers, arrays and anonymous structs. */
const DEEPEST = 256;

/**
 * Prints types, and all types that they depend on, as C, in an order that compiles. Padding, packing and
 * bitfields reproduce the layout. A second type with the same name is called `name___2`.
 *
 * @throws {BtfError} ELOOP or E2BIG for types that contain themselves or expand to endless text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, printC } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, "signed");
 * const pair = builder.addStruct("pair", 8, [
 *   { name: "first", type: int, bitOffset: 0, bitSize: 0 },
 *   { name: "second", type: int, bitOffset: 32, bitSize: 0 },
 * ]);
 * assertEquals(
 *   printC(Btf.parse(builder.build()), pair),
 *   "struct pair {\n\tint first;\n\tint second;\n};\n",
 * );
 * ```
 */
export function printC(
  btf: Btf,
  ids: number | Iterable<number>,
  options: PrintCOptions = {},
): string {
  const printer = new Printer(btf);
  for (const id of typeof ids === "number" ? [ids] : ids) printer.define(id);
  return framed(printer.text(), options);
}

/** Prints all types, without functions and variables, as C: the `vmlinux.h` of a kernel. */
export function printAllC(btf: Btf, options: PrintCOptions = {}): string {
  const printer = new Printer(btf);
  const referenced = referencedTypes(btf);
  for (let id = 1; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind === Kind.func) continue;
    // An anonymous enum that no type refers to defines constants; other anonymous types are printed where
    // they are used.
    const isEnum = kind === Kind.enum || kind === Kind.enum64;
    if (isEnum ? btf.nameOf(id) !== "" || !referenced.has(id) : btf.nameOf(id) !== "") {
      printer.define(id);
    }
  }
  return framed(printer.text(), options);
}

function framed(text: string, { guard }: PrintCOptions): string {
  if (guard === undefined) return text;
  const name = cIdentifier(guard);
  return `#ifndef ${name}
#define ${name}

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

${text}
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* ${name} */
`;
}

/** Returns the enums that another type refers to. */
function referencedTypes(btf: Btf): Set<number> {
  const referenced = new Set<number>();
  for (let owner: Btf | undefined = btf; owner !== undefined; owner = owner.base) {
    const { tables } = rawTypes(owner);
    for (let entry = owner.base === undefined ? 1 : 0; entry < tables.count; entry++) {
      const kind = tables.kinds[entry];
      if (kind === Kind.enum || kind === Kind.enum64) continue;
      forEachReference(tables.words, tables.starts[entry] as number, (at) => {
        const id = tables.words[at] as number;
        const target = btf.kind(id);
        if (target === Kind.enum || target === Kind.enum64) referenced.add(id);
      }, () => {});
    }
  }
  return referenced;
}

class Printer {
  readonly #btf: Btf;
  readonly #out: string[] = [];
  readonly #tags: NameSpace = new NameSpace(cIdentifier);
  // The compiler defines it for its own target; the kernel's type differs and is renamed.
  readonly #identifiers: NameSpace = new NameSpace(cIdentifier, ["__builtin_va_list"]);
  readonly #names: Map<number, string> = new Map();
  /** Types that are printed or being printed; forward declarations are tracked separately. */
  readonly #defined: Set<number> = new Set();
  readonly #visited: Set<number> = new Set();
  readonly #declared: Set<string> = new Set();
  /** Number of characters that may still be printed: types that share parts can expand to endless text. */
  #budget: number;
  #padding = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
    let size = 0;
    for (let owner: Btf | undefined = btf; owner !== undefined; owner = owner.base) {
      size += owner.bytes.length;
    }
    this.#budget = (1 << 20) + size * 64;
  }

  text(): string {
    return this.#out.join("\n");
  }

  /** Prints a type's definition after the types that it depends on. */
  define(id: number): void {
    const kind = this.#btf.kind(id);
    if (kind === Kind.func) {
      const type = this.#btf.type(id);
      if (type.kind !== "func" || this.#defined.has(id)) return;
      this.#defined.add(id);
      this.#need(type.type, false, 0);
      const name = this.#identifiers.claim(type.name);
      const linkage = type.linkage === "extern" ? "extern " : "";
      this.#print(`${linkage}${this.#declare(type.type, name, 0)};\n`);
      return;
    }
    if (kind === Kind.var || kind === Kind.datasec || kind === Kind.decl_tag || kind === 0) return;
    this.#need(id, false, 0);
    const type = this.#btf.type(id);
    if ((type.kind === "enum" || type.kind === "enum64") && type.name === "") {
      if (this.#defined.has(id)) return;
      this.#defined.add(id);
      this.#print(`${this.#enumBody(type, 0)};\n`);
    } else if ((type.kind === "struct" || type.kind === "union") && type.name === "") {
      return;
    }
  }

  /**
   * Prints the declarations that a use of the type depends on; `behindPointer` requires no complete type.
   */
  #need(id: number, behindPointer: boolean, depth: number): void {
    if (depth > DEEPEST) throw this.#refuse(id, "nests too deep");
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "ptr":
        this.#need(type.type, true, depth + 1);
        break;
      case "array":
        this.#need(type.type, false, depth + 1);
        break;
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        this.#need(type.type, behindPointer, depth + 1);
        break;
      case "typedef":
        this.#needTypedef(type.id, type.type, behindPointer, depth);
        break;
      case "struct":
      case "union":
        if (type.name === "") this.#needMembers(type, depth);
        else if (behindPointer) this.#declareTag(type.kind, this.#tagName(id));
        else this.#defineComposite(type, depth);
        break;
      case "enum":
      case "enum64":
        if (type.name !== "" && !this.#defined.has(id)) {
          this.#defined.add(id);
          this.#print(`${this.#enumBody(type, 0)};\n`);
        }
        break;
      case "fwd":
        this.#declareTag(type.of, this.#tagName(id));
        break;
      case "func_proto":
        if (this.#visited.has(id)) break;
        this.#visited.add(id);
        this.#need(type.returns, true, depth + 1);
        for (const parameter of type.parameters) this.#need(parameter.type, true, depth + 1);
        break;
      case "int":
      case "float":
        this.#needBasic(id, type.name, type.size, type.kind === "int" && type.signed);
        break;
    }
  }

  #needMembers(type: CompositeType, depth: number): void {
    if (type.name === "") {
      // An anonymous struct may be shared by many types; its dependencies are printed once.
      if (this.#visited.has(type.id)) return;
      this.#visited.add(type.id);
    }
    for (const member of type.members) this.#need(member.type, false, depth + 1);
  }

  #needTypedef(
    id: number,
    target: number,
    behindPointer: boolean,
    depth: number,
  ): void {
    if (!this.#defined.has(id)) {
      this.#defined.add(id);
      this.#need(target, true, depth + 1);
      this.#print(`typedef ${this.#declare(target, this.#identifierName(id), 0)};\n`);
    }
    if (!behindPointer) this.#need(target, false, depth + 1);
  }

  #defineComposite(type: CompositeType, depth: number): void {
    if (this.#defined.has(type.id)) return;
    this.#defined.add(type.id);
    this.#needMembers(type, depth);
    this.#print(`${this.#compositeBody(type, 0, 0)};\n`);
  }

  #declareTag(word: string, name: string): void {
    const text = `${word} ${name};\n`;
    if (this.#declared.has(text)) return;
    this.#declared.add(text);
    this.#print(text);
  }

  /** Prints a typedef for a basic type that C has under another name: `u8` of Rust, `bool` of C++. */
  #needBasic(id: number, name: string, size: number, signed: boolean): void {
    if (this.#defined.has(id)) return;
    this.#defined.add(id);
    if (isBuiltIn(name)) return;
    const words = this.#btf.kind(id) === Kind.float
      ? new Map([[2, "_Float16"], [4, "float"], [8, "double"], [16, "long double"]]).get(size)
      : new Map([
        [1, signed ? "signed char" : name === "bool" ? "_Bool" : "unsigned char"],
        [2, signed ? "short" : "unsigned short"],
        [4, signed ? "int" : "unsigned int"],
        [8, signed ? "long long" : "unsigned long long"],
        [16, signed ? "__int128" : "unsigned __int128"],
      ]).get(size);
    const own = this.#identifierName(id);
    this.#print(
      words === undefined
        ? `typedef struct { char bytes[${size}]; } ${own};\n`
        : `typedef ${words} ${own};\n`,
    );
  }

  #tagName(id: number): string {
    let name = this.#names.get(id);
    if (name === undefined) {
      const own = this.#btf.nameOf(id);
      // A forward declaration shares the name of its definition.
      name = this.#btf.kind(id) === Kind.fwd ? cIdentifier(own) : this.#tags.claim(own);
      this.#names.set(id, name);
    }
    return name;
  }

  #identifierName(id: number): string {
    let name = this.#names.get(id);
    if (name === undefined) {
      name = this.#identifiers.claim(this.#btf.nameOf(id));
      this.#names.set(id, name);
    }
    return name;
  }

  /** Declares `inner` with a type: C writes pointers, arrays and parameters around the name. */
  #declare(id: number, inner: string, level: number, depth: number = 0): string {
    if (depth > DEEPEST) throw this.#refuse(id, "nests too deep");
    const qualifiers: string[] = [];
    let at = id;
    let type = this.#btf.type(at);
    while (
      type.kind === "const" || type.kind === "volatile" || type.kind === "restrict" ||
      type.kind === "type_tag"
    ) {
      if (qualifiers.length > DEEPEST) throw this.#refuse(id, "nests too deep");
      qualifiers.push(
        type.kind === "type_tag" ? attribute(type.name, type.attribute === true) : type.kind,
      );
      at = type.type;
      type = this.#btf.type(at);
    }
    const before = qualifiers.map((word) => `${word} `).join("");
    let text: string;
    switch (type.kind) {
      case "ptr": {
        const target = this.#skipQualifiers(type.type);
        const name = `*${before === "" ? "" : ` ${before}`}${inner}`;
        const wrap = target === Kind.array || target === Kind.func_proto;
        text = this.#declare(type.type, wrap ? `(${name})` : name, level, depth + 1);
        break;
      }
      case "array":
        text = before + this.#declare(type.type, `${inner}[${type.length}]`, level, depth + 1);
        break;
      case "func_proto":
        text = this.#declare(
          type.returns,
          `${inner}(${this.#parameters(type, level, depth)})`,
          level,
          depth + 1,
        );
        break;
      default:
        text = `${before}${this.#specifier(at, level, depth)}${inner === "" ? "" : " "}${inner}`;
    }
    if (text.length > this.#budget) throw this.#refuse(id, "expands to too much text");
    return text;
  }

  #skipQualifiers(id: number): number {
    let at = id;
    for (let depth = 0; depth < DEEPEST; depth++) {
      const type = this.#btf.type(at);
      switch (type.kind) {
        case "const":
        case "volatile":
        case "restrict":
        case "type_tag":
          at = type.type;
          continue;
        default:
          return this.#btf.kind(at);
      }
    }
    throw this.#refuse(id, "nests too deep");
  }

  #parameters(type: FuncProtoType, level: number, depth: number): string {
    const { parameters } = type;
    if (parameters.length === 0) return "void";
    const names = new NameSpace(cIdentifier);
    let length = 0;
    return parameters.map((parameter, index) => {
      if (parameter.type === 0 && index === parameters.length - 1) return "...";
      const name = parameter.name === "" ? "" : names.claim(parameter.name);
      const text = this.#declare(parameter.type, name, level, depth + 1);
      length += text.length;
      if (length > this.#budget) throw this.#refuse(type.id, "expands to too much text");
      return text;
    }).join(", ");
  }

  /** Returns the type specifier that precedes the name. */
  #specifier(id: number, level: number, depth: number): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "void":
        return "void";
      case "int":
      case "float":
        return isBuiltIn(type.name) ? type.name : this.#identifierName(id);
      case "typedef":
        return this.#identifierName(id);
      case "struct":
      case "union":
        return type.name === ""
          ? this.#compositeBody(type, level, depth + 1)
          : `${type.kind} ${this.#tagName(id)}`;
      case "enum":
      case "enum64":
        if (type.name !== "") return `enum ${this.#tagName(id)}`;
        this.#defined.add(id);
        return this.#enumBody(type, level);
      case "fwd":
        return `${type.of} ${this.#tagName(id)}`;
      default:
        throw this.#refuse(id, `is a ${type.kind}, which cannot be the type of a declaration`);
    }
  }

  /** `scope` holds the names of the struct around an anonymous one, which share a name space. */
  #compositeBody(
    type: CompositeType,
    level: number,
    depth: number,
    scope: NameSpace = new NameSpace(cIdentifier),
  ): string {
    if (depth > DEEPEST) throw this.#refuse(type.id, "contains itself");
    const btf = this.#btf;
    const indent = "\t".repeat(level + 1);
    const isStruct = type.kind === "struct";
    const alignment = btf.alignment(type.id);
    const packed = isStruct && isPacked(btf, type);
    const unique = (): number => ++this.#padding;
    const lines: string[] = [];
    let end = 0;
    let bitfield = false;
    let length = 0;
    for (const member of type.members) {
      const own = packed ? 1 : btf.alignment(member.type);
      if (isStruct) {
        lines.push(
          ...fillHole(end, member.bitOffset, own, bitfield && member.bitSize > 0, unique),
        );
      }
      const width = member.bitSize > 0 ? `: ${member.bitSize}` : "";
      const line = `${this.#declareMember(member, level, depth, scope)}${width};`;
      lines.push(line);
      length += line.length;
      if (length > this.#budget) throw this.#refuse(type.id, "expands to too much text");
      bitfield = member.bitSize > 0;
      end = member.bitOffset + (bitfield ? member.bitSize : btf.size(member.type) * 8);
    }
    if (isStruct) lines.push(...fillHole(end, type.size * 8, alignment, false, unique));
    const name = type.name === "" ? "" : ` ${this.#tagName(type.id)}`;
    const body = lines.length === 0
      ? ""
      : `\n${lines.map((line) => indent + line).join("\n")}\n${"\t".repeat(level)}`;
    const text = `${type.kind}${name} {${body}}${packed ? " __attribute__((packed))" : ""}`;
    if (text.length > this.#budget) throw this.#refuse(type.id, "expands to too much text");
    return text;
  }

  #declareMember(
    { name, type: id }: Member,
    level: number,
    depth: number,
    scope: NameSpace,
  ): string {
    if (name !== "") return this.#declare(id, scope.claim(name), level + 1, depth);
    const type = this.#btf.type(id);
    const isNested = (type.kind === "struct" || type.kind === "union") && type.name === "";
    return isNested
      ? this.#compositeBody(type, level + 1, depth + 1, scope)
      : this.#declare(id, "", level + 1, depth);
  }

  #enumBody(type: EnumType, level: number): string {
    const indent = "\t".repeat(level + 1);
    const suffix = type.kind === "enum64" ? (type.signed ? "LL" : "ULL") : "";
    const name = type.name === "" ? "" : ` ${this.#tagName(type.id)}`;
    if (type.values.length === 0) return `enum${name}`;
    let wide = false;
    const lines = type.values.map(({ name, value }) => {
      if (value > 0x7fff_ffff || value < -0x8000_0000) wide = true;
      return `${indent}${this.#identifiers.claim(name)} = ${value}${suffix},\n`;
    });
    const mode = type.size === 1
      ? "byte"
      : type.size === 2
      ? "HI"
      : type.size === 8 && !wide
      ? "word"
      : undefined;
    const attributes = mode === undefined ? "" : ` __attribute__((mode(${mode})))`;
    return `enum${name} {\n${lines.join("")}${"\t".repeat(level)}}${attributes}`;
  }

  #print(text: string): void {
    this.#budget -= text.length;
    if (this.#budget < 0) {
      throw new BtfError({
        doing: "print",
        subject: this.#btf.name,
        why: "its types expand to too much text",
        errno: "E2BIG",
      });
    }
    this.#out.push(text);
  }

  #refuse(id: number, what: string): BtfError {
    return new BtfError({
      doing: "print",
      subject: this.#btf.name,
      why: `type ${id} ${what}`,
      errno: "ELOOP",
      data: { typeId: id },
    });
  }
}

/** Returns whether a struct has members at offsets that only packing allows. */
function isPacked(btf: Btf, type: CompositeType): boolean {
  let alignment = 1;
  for (const member of type.members) {
    const own = btf.alignment(member.type);
    if (member.bitSize === 0 && member.bitOffset % (own * 8) !== 0) return true;
    alignment = Math.max(alignment, own);
  }
  return type.size % alignment !== 0;
}

/**
 * Returns a tag as an attribute. Its text comes from a file and must not end the string or attribute early.
 */
function attribute(text: string, plain: boolean): string {
  if (plain) return isBalanced(text) ? `__attribute__((${text}))` : "";
  return `__attribute__((btf_type_tag(${cStringLiteral(text)})))`;
}

/** Returns whether text consists of words, commas and strings in balanced parentheses. */
function isBalanced(text: string): boolean {
  if (!/^[\w()", ]*$/.test(text)) return false;
  let depth = 0;
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    else if (!quoted && character === "(") depth++;
    else if (!quoted && character === ")" && --depth < 0) return false;
  }
  return depth === 0 && !quoted;
}
