/**
 * Edits the struct of a struct_ops map by member name before it is loaded.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { CompositeType, Member } from "../../btf/types.ts";
import { ObjectError } from "./error.ts";
import type { MapDefinition } from "./map_spec.ts";
import { nearestNames } from "./named.ts";
import type { StructOpsSpec } from "./spec.ts";
import { readValue, writeValue } from "./btf_value.ts";

/** The struct of a struct_ops map, with the programs of its function pointers. */
export class StructOps implements StructOpsSpec {
  readonly #btf: Btf;
  readonly #type: CompositeType;
  readonly #map: MapDefinition;
  readonly #programs = new Map<string, string>();
  #byName: ReadonlyMap<string, Member> | undefined;

  /** Creates the spec of a struct in the object's BTF, whose bytes are the map's contents. */
  constructor(btf: Btf, type: CompositeType, map: MapDefinition) {
    this.#btf = btf;
    this.#type = type;
    this.#map = map;
  }

  /** See {@linkcode StructOpsSpec}. */
  get typeName(): string {
    return this.#type.name;
  }

  /** See {@linkcode StructOpsSpec}. */
  get typeId(): number {
    return this.#type.id;
  }

  /** See {@linkcode StructOpsSpec}. */
  members(): string[] {
    return this.#type.members.map(({ name }) => name);
  }

  /** See {@linkcode StructOpsSpec}. */
  program(member: string): string | undefined {
    this.#functionMember(member);
    return this.#programs.get(member);
  }

  /** See {@linkcode StructOpsSpec}. */
  setProgram(member: string, program: string | undefined): void {
    this.#functionMember(member);
    if (program === undefined) this.#programs.delete(member);
    else this.#programs.set(member, program);
  }

  /** See {@linkcode StructOpsSpec}. */
  programs(): readonly { readonly member: string; readonly program: string }[] {
    const programs: { member: string; program: string }[] = [];
    for (const { name } of this.#type.members) {
      const program = this.#programs.get(name);
      if (program !== undefined) programs.push({ member: name, program });
    }
    return programs;
  }

  /** See {@linkcode StructOpsSpec}. */
  get(member: string): unknown {
    const { type, bytes } = this.#dataMember(member);
    return readValue(this.#btf, type, bytes, `${this.#map.name}.${member}`);
  }

  /** See {@linkcode StructOpsSpec}. */
  set(member: string, value: unknown): void {
    const { type, bytes } = this.#dataMember(member);
    writeValue(this.#btf, type, bytes, value, `${this.#map.name}.${member}`);
  }

  #member(name: string): Member {
    const member = (this.#byName ??= firstOfEachName(this.#type.members)).get(name);
    if (member !== undefined) return member;
    const near = nearestNames(name, this.members());
    throw this.#error(
      name,
      near.length === 0
        ? "there is no such member"
        : `there is no such member; near it: ${near.join(", ")}`,
    );
  }

  #functionMember(name: string): Member {
    const member = this.#member(name);
    if (isFunctionPointer(this.#btf, member.type)) return member;
    throw this.#error(name, "it is data, not a function pointer");
  }

  #dataMember(name: string): { readonly type: number; readonly bytes: Uint8Array<ArrayBuffer> } {
    const member = this.#member(name);
    if (isFunctionPointer(this.#btf, member.type)) {
      throw this.#error(name, "it is a function pointer; use setProgram()");
    }
    if (member.bitSize !== 0) throw this.#error(name, "bitfields cannot be set by name");
    const contents = this.#map.contents ?? new Uint8Array(0);
    const from = member.bitOffset / 8;
    return {
      type: member.type,
      bytes: contents.subarray(from, from + this.#btf.size(member.type)),
    };
  }

  #error(member: string, why: string): ObjectError {
    return new ObjectError({
      doing: "use",
      subject: `member ${member} of struct_ops ${this.#map.name}`,
      errno: "EINVAL",
      stage: "usage",
      why,
    });
  }
}

function firstOfEachName(members: readonly Member[]): Map<string, Member> {
  const byName = new Map<string, Member>();
  for (const member of members) if (!byName.has(member.name)) byName.set(member.name, member);
  return byName;
}

/** Returns whether a type is a pointer to a function, behind typedefs and qualifiers. */
export function isFunctionPointer(btf: Btf, typeId: number): boolean {
  const pointer = btf.type(btf.resolve(typeId));
  return pointer.kind === "ptr" && btf.type(btf.resolve(pointer.type)).kind === "func_proto";
}
