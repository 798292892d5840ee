/**
 * Prints BTF as TypeScript types of the values that codecs decode.
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

/** Options of {@linkcode printTypeScript}. */
export interface PrintTypeScriptOptions {
  /**
   * Returns the TypeScript name of a BTF type. The result is made an identifier, and a second type with
   * that name gets another.
   *
   * @default {pascalCase} `exec_event` becomes `ExecEvent`
   */
  readonly rename?: ((name: string) => string) | undefined;
  /** Names that the surrounding text uses; no type gets one of them. */
  readonly taken?: readonly string[] | undefined;
}

const DEEPEST = 64;
/** Maximum length of the text as a multiple of the BTF's size. */
const MOST_TEXT = 16;

/**
 * Prints types, and the types that they contain, as exported TypeScript declarations of decoded values.
 *
 * Integers of up to 32 bits are numbers, wider ones and pointers are bigints. Enumerations are unions of
 * their names, `char` arrays are text, byte arrays are `Uint8Array`. Members of anonymous structs belong to
 * the enclosing one.
 *
 * @throws {BtfError} ELOOP for types that contain themselves.
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

/** Types as expressions, with the declarations that the expressions use. */
export interface TypeScriptTypes {
  /** Exported declarations; empty when none are needed. */
  readonly declarations: string;
  /** The expression for each type by id: `number`, `ExecEvent`, `bigint[]`. */
  readonly expressions: ReadonlyMap<number, string>;
}

/**
 * Returns types as expressions, with the declarations that they use.
 *
 * @throws {BtfError} ELOOP for types that contain themselves.
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
 * Converts `exec_event` to `ExecEvent`. Characters other than letters, digits and `_` become their code
 * point, so that different names stay different: `a b` becomes `AX20B`.
 */
export function pascalCase(name: string): string {
  const words = identifierText(name).split(/[_$]+/).filter((word) => word !== "");
  const text = words.map((word) => (word[0] ?? "").toUpperCase() + word.slice(1)).join("");
  return isIdentifier(text) ? text : `Type${text}`;
}

/** Built-in types that expressions use. */
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

  /** Returns the expression for a type, and prints the declarations that it uses. */
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

  /** A typedef of an anonymous struct or enum gives it its name. */
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

  /** Returns the TypeScript type of a decoded value. */
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
        throw this.#refuse(id, `is a ${type.kind}, which has no values`);
    }
  }

  #array(type: ArrayType, depth: number): string {
    const element = this.#btf.type(this.#btf.resolve(type.type));
    if (element.kind === "int" && element.size === 1) {
      // clang encodes char as a signed byte named "char", gcc as an int of encoding char.
      if (element.encoding === "char" || element.name === "char") return "string";
      if (element.encoding === "unsigned") return "Uint8Array";
    }
    const inner = this.#expression(type.type, depth + 1);
    return /^[\w[\]]+$/.test(inner) ? `${inner}[]` : `(${inner})[]`;
  }

  #fields(type: CompositeType, indent: string, depth: number): string {
    // Of several members with one name, a decoded value has the last.
    const fields = new Map<string, string>();
    this.#collect(type, depth, fields);
    let text = "";
    for (const field of fields.values()) text += `${indent}${field}\n`;
    if (text.length > this.#budget) throw this.#refuse(type.id, "expands to too much text");
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
        // Members of an anonymous struct belong to the enclosing one; an anonymous bitfield is a hole.
        this.#collect(target, depth + 1, into);
      }
      this.#inline(type.id, "");
    }
  }

  /** Anonymous types are printed wherever they are used, so the total is limited. */
  #inline(id: number, text: string): string {
    this.#budget -= 1 + text.length;
    if (this.#budget < 0) throw this.#refuse(id, "expands to too much text");
    return text;
  }

  #print(text: string): void {
    this.#budget -= text.length;
    if (this.#budget < 0) throw this.#refuse(0, "expands to too much text");
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

/** Returns the union of an enumeration's names; a value without a name decodes to a number. */
function enumUnion(type: EnumType): string {
  const number = type.size > 4 ? "bigint" : "number";
  const names = type.values.map(({ name }) => stringLiteral(name));
  return [...new Set(names), number].join(" | ");
}
