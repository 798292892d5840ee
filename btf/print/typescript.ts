/**
 * BTF as TypeScript types: what the codecs make of a value.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import {
  commentText,
  identifierText,
  isIdentifier,
  propertyKey,
  stringLiteral,
  typeScriptIdentifier,
} from "../../errors/escape.ts";
import { NameSpace } from "./c_names.ts";
import { KERNEL_OWNED } from "../codec/encode.ts";
import { BtfError } from "../error.ts";
import type { ArrayType, CompositeType, EnumType } from "../types.ts";

/** How types are printed as TypeScript. */
export interface PrintTypeScriptOptions {
  /**
   * How a type of the kernel is called; `exec_event` becomes `ExecEvent` unless told. What it gives is made an
   * identifier, and a second type of that name gets another.
   */
  readonly rename?: ((name: string) => string) | undefined;
  /** Names that the text around uses: no type gets one. */
  readonly taken?: readonly string[] | undefined;
}

const DEEPEST = 64;
/** Text that grows beyond this many times the BTF is refused. */
const MOST_TEXT = 16;

/**
 * The types, and those that they hold, as exported TypeScript declarations: the shapes that
 * decoding a value gives.
 *
 * Integers of up to 32 bits are numbers and wider ones bigints, enumerations are the names of their
 * values, `char` arrays are text, byte arrays are `Uint8Array`, pointers are bigints; members of
 * anonymous structs belong to the struct around them.
 *
 * @throws {BtfError} for types that contain themselves.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, printTypeScript } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, "signed");
 * const id = builder.addStruct("exec_event", 4, [
 *   { name: "pid", type: int, bitOffset: 0, bitSize: 0 },
 * ]);
 * assertEquals(
 *   printTypeScript(Btf.parse(builder.build()), id),
 *   "/** `struct exec_event`, 4 bytes. *\/\nexport interface ExecEvent {\n  pid: number;\n}\n",
 * );
 * ```
 */
export function printTypeScript(
  btf: Btf,
  ids: number | Iterable<number>,
  options: PrintTypeScriptOptions = {},
): string {
  const printer = new Printer(btf, options);
  for (const id of typeof ids === "number" ? [ids] : ids) printer.define(id);
  return printer.text();
}

/** Types as they are used: an expression for each, and the declarations that the expressions need. */
export interface TypeScriptTypes {
  /** Exported declarations; empty when none are needed. */
  readonly declarations: string;
  /** By id, what stands for the type where it is used: `number`, `ExecEvent`, `bigint[]`. */
  readonly expressions: ReadonlyMap<number, string>;
}

/**
 * The types as expressions, with the declarations that these need.
 *
 * @throws {BtfError} for types that contain themselves.
 */
export function typeScriptTypes(
  btf: Btf,
  ids: Iterable<number>,
  options: PrintTypeScriptOptions = {},
): TypeScriptTypes {
  const printer = new Printer(btf, options);
  const expressions = new Map<number, string>();
  for (const id of ids) expressions.set(id, printer.use(id));
  return { declarations: printer.text(), expressions };
}

/**
 * `exec_event` as `ExecEvent`. What is no letter, digit or `_` becomes its number, so that names that differ
 * stay different: `a b` is `AX20B`.
 */
export function pascalCase(name: string): string {
  const words = identifierText(name).split(/[_$]+/).filter((word) => word !== "");
  const text = words.map((word) => (word[0] ?? "").toUpperCase() + word.slice(1)).join("");
  return isIdentifier(text) ? text : `Type${text}`;
}

/** Types of the language that expressions name. */
const USED_NAMES: readonly string[] = ["Uint8Array", "ArrayBuffer"];

class Printer {
  readonly #btf: Btf;
  readonly #rename: (name: string) => string;
  readonly #names: NameSpace;
  readonly #ids: Map<number, string> = new Map();
  readonly #out: string[] = [];
  readonly #todo: number[] = [];
  #budget: number;

  constructor(btf: Btf, { rename = pascalCase, taken = [] }: PrintTypeScriptOptions) {
    this.#btf = btf;
    this.#rename = rename;
    this.#names = new NameSpace(typeScriptIdentifier, [...USED_NAMES, ...taken]);
    this.#budget = 65536 + (btf.bytes.length + (btf.base?.bytes.length ?? 0)) * MOST_TEXT;
  }

  text(): string {
    return this.#out.join("\n");
  }

  /** What stands for a type where it is used; what it needs is declared. */
  use(id: number): string {
    const expression = this.#expression(id, 0);
    this.#printTodo();
    return expression;
  }

  define(id: number): void {
    const type = this.#btf.type(id);
    if (type.kind === "typedef") {
      const target = this.#btf.type(this.#btf.resolve(id));
      const own = target.name === "" ? this.#typedefName(type.name, target.id) : undefined;
      if (own === undefined) {
        const expression = this.#expression(id, 0);
        const name = this.#names.claim(this.#rename(type.name));
        if (name !== expression) {
          this.#print(
            `/** \`${commentText(type.name)}\`. */\nexport type ${name} = ${expression};\n`,
          );
        }
      }
    } else {
      this.#expression(id, 0);
    }
    this.#printTodo();
  }

  #printTodo(): void {
    for (let next = this.#todo.shift(); next !== undefined; next = this.#todo.shift()) {
      this.#printNamed(next);
    }
  }

  /** A typedef of a nameless struct or enum gives it its name. */
  #typedefName(name: string, id: number): string | undefined {
    const { kind } = this.#btf.type(id);
    if (kind !== "struct" && kind !== "union" && kind !== "enum" && kind !== "enum64") {
      return undefined;
    }
    return this.#name(id, name);
  }

  #name(id: number, name: string): string {
    let own = this.#ids.get(id);
    if (own === undefined) {
      own = this.#names.claim(this.#rename(name));
      this.#ids.set(id, own);
      this.#todo.push(id);
    }
    return own;
  }

  #printNamed(id: number): void {
    const type = this.#btf.type(id);
    const name = this.#ids.get(id) ?? "";
    if (type.kind === "struct" || type.kind === "union") {
      const title = type.name === "" ? type.kind : `${type.kind} ${type.name}`;
      const fields = this.#fields(type, "  ", 0);
      const body = fields === "" ? "{}" : `{\n${fields}}`;
      this.#print(
        `/** \`${commentText(title)}\`, ${type.size} bytes. */\nexport interface ${name} ${body}\n`,
      );
    } else if (type.kind === "enum" || type.kind === "enum64") {
      const title = type.name === "" ? "enum" : `enum ${type.name}`;
      this.#print(`/** \`${commentText(title)}\`. */\nexport type ${name} = ${enumUnion(type)};\n`);
    }
  }

  /** The type that a value has in TypeScript. */
  #expression(id: number, depth: number): string {
    if (depth > DEEPEST) throw this.#refuse(id, "contains itself");
    const type = this.#btf.type(id);
    switch (type.kind) {
      case "int":
        return type.encoding === "bool" ? "boolean" : type.size > 4 ? "bigint" : "number";
      case "float":
        return type.size === 2 || type.size === 4 || type.size === 8 ? "number" : "Uint8Array";
      case "ptr":
        return "bigint";
      case "enum":
      case "enum64":
        return type.name === "" ? this.#inline(id, enumUnion(type)) : this.#name(id, type.name);
      case "array":
        return this.#array(type, depth);
      case "struct":
      case "union":
        if (type.name !== "") return this.#name(id, type.name);
        return this.#inline(
          id,
          `{ ${this.#fields(type, "", depth + 1).trim().replace(/\n/g, " ")} }`,
        );
      case "typedef": {
        const target = this.#btf.type(this.#btf.resolve(id));
        const named = target.name === "" ? this.#typedefName(type.name, target.id) : undefined;
        return named ?? this.#expression(type.type, depth + 1);
      }
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
      case "var":
        return this.#expression(type.type, depth + 1);
      case "datasec": {
        const fields = type.variables.map(({ type: variable }) =>
          this.#inline(
            id,
            `${propertyKey(this.#btf.nameOf(variable))}: ${this.#expression(variable, depth + 1)};`,
          )
        );
        return `{ ${fields.join(" ")} }`;
      }
      default:
        throw this.#refuse(id, `is a ${type.kind}, of which there are no values`);
    }
  }

  #array(type: ArrayType, depth: number): string {
    const element = this.#btf.type(this.#btf.resolve(type.type));
    if (element.kind === "int" && element.size === 1) {
      // clang writes a char as a signed byte called "char", gcc as one of encoding char.
      if (element.encoding === "char" || element.name === "char") return "string";
      if (element.encoding === "unsigned") return "Uint8Array";
    }
    const inner = this.#expression(type.type, depth + 1);
    return /^[\w[\]]+$/.test(inner) ? `${inner}[]` : `(${inner})[]`;
  }

  #fields(type: CompositeType, indent: string, depth: number): string {
    // Of several members of one name a decoded value has the last.
    const fields = new Map<string, string>();
    this.#collect(type, depth, fields);
    let text = "";
    for (const field of fields.values()) text += `${indent}${field}\n`;
    if (text.length > this.#budget) throw this.#refuse(type.id, "becomes too long a text");
    return text;
  }

  #collect(type: CompositeType, depth: number, into: Map<string, string>): void {
    if (depth > DEEPEST) throw this.#refuse(type.id, "contains itself");
    for (const member of type.members) {
      const target = this.#btf.type(this.#btf.resolve(member.type));
      if (member.name !== "") {
        const optional = target.kind === "struct" && KERNEL_OWNED.has(target.name) ? "?" : "";
        const expression = this.#expression(member.type, depth);
        into.set(member.name, `${propertyKey(member.name)}${optional}: ${expression};`);
      } else if (target.kind === "struct" || target.kind === "union") {
        // An unnamed struct's members belong to the one around it; an unnamed bitfield is a hole.
        this.#collect(target, depth + 1, into);
      }
      this.#inline(type.id, "");
    }
  }

  /** Text of what has no name is written wherever it is used: all of it together has an end. */
  #inline(id: number, text: string): string {
    this.#budget -= 1 + text.length;
    if (this.#budget < 0) throw this.#refuse(id, "becomes too long a text");
    return text;
  }

  #print(text: string): void {
    this.#budget -= text.length;
    if (this.#budget < 0) throw this.#refuse(0, "becomes too long a text");
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

/** The names of an enumeration; a value without a name is a number. */
function enumUnion(type: EnumType): string {
  const number = type.size > 4 ? "bigint" : "number";
  const names = type.values.map(({ name }) => stringLiteral(name));
  return [...new Set(names), number].join(" | ");
}
