/**
 * Objects with hostile names: replaces names in BTF and the symbol table of a valid object.
 *
 * @module
 */

/** Kind of a named item. */
export type Place =
  | "int"
  | "struct"
  | "member"
  | "enum"
  | "enumerator"
  | "typedef"
  | "function"
  | "parameter"
  | "variable"
  | "tag"
  | "section";

/** Returns the new name of an item; `undefined` keeps its name. */
export type Rename = (place: Place, name: string) => string | undefined;

/** Item kinds by BTF kind, for a type and for the names that follow it. */
const PLACES: { readonly [kind: number]: Place } = {
  1: "int",
  4: "struct",
  5: "struct",
  6: "enum",
  7: "struct",
  8: "typedef",
  12: "function",
  14: "variable",
  15: "section",
  16: "int",
  17: "tag",
  18: "tag",
  19: "enum",
};
/** Size in bytes of the data after a `btf_type`: a fixed part, and a part for each of its `vlen`. */
const TAILS: { readonly [kind: number]: readonly [fixed: number, each: number] } = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
};
const PARTS: { readonly [kind: number]: Place } = {
  4: "member",
  5: "member",
  6: "enumerator",
  13: "parameter",
  19: "enumerator",
};
/** Members of a map definition. They keep their names, or the object would have no maps. */
const DEFINING: ReadonlySet<string> = new Set([
  "type",
  "key",
  "value",
  "key_size",
  "value_size",
  "max_entries",
  "map_flags",
  "map_extra",
  "numa_node",
  "pinning",
  "values",
]);

const decoder = new TextDecoder();
const encoder = new TextEncoder();

interface Section {
  readonly header: number;
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function textAt(bytes: Uint8Array, at: number): string {
  return decoder.decode(bytes.subarray(at, bytes.indexOf(0, at)));
}

function sectionsOf(bytes: Uint8Array): { sections: Section[]; names: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const names = view.getUint16(62, true);
  const raw = Array.from({ length: count }, (_, index) => {
    const header = table + index * 64;
    return {
      header,
      nameOffset: view.getUint32(header, true),
      type: view.getUint32(header + 4, true),
      offset: Number(view.getBigUint64(header + 24, true)),
      size: Number(view.getBigUint64(header + 32, true)),
      link: view.getUint32(header + 40, true),
    };
  });
  const text = raw[names]?.offset ?? 0;
  const sections = raw.map(({ nameOffset, ...section }) => ({
    ...section,
    name: textAt(bytes, text + nameOffset),
  }));
  return { sections, names };
}

/** A growing string table. */
class Strings {
  #bytes: number[];

  constructor(bytes: Uint8Array) {
    this.#bytes = [...bytes];
  }

  add(text: string): number {
    const offset = this.#bytes.length;
    this.#bytes.push(...encoder.encode(text), 0);
    return offset;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

function renameBtf(btf: Uint8Array, rename: Rename): Uint8Array {
  const view = new DataView(btf.buffer, btf.byteOffset, btf.length);
  const header = view.getUint32(4, true);
  const types = header + view.getUint32(8, true);
  const typesEnd = types + view.getUint32(12, true);
  const strings = header + view.getUint32(16, true);
  const stringsEnd = strings + view.getUint32(20, true);
  const table = new Strings(btf.subarray(strings, stringsEnd));
  const out = btf.slice(0, stringsEnd);
  const outView = new DataView(out.buffer);
  const change = (at: number, place: Place): void => {
    const offset = view.getUint32(at, true);
    if (offset === 0) return;
    const name = textAt(btf, strings + offset);
    if (place === "member" && DEFINING.has(name)) return;
    const wanted = rename(place, name);
    if (wanted !== undefined) outView.setUint32(at, table.add(wanted), true);
  };
  for (let at = types; at < typesEnd;) {
    const info = view.getUint32(at + 4, true);
    const kind = info >>> 24 & 0x1f;
    const count = info & 0xffff;
    const place = PLACES[kind];
    if (place !== undefined) change(at, place);
    const [fixed, each] = TAILS[kind] ?? [0, 0];
    const part = PARTS[kind];
    for (let index = 0; part !== undefined && index < count; index++) {
      change(at + 12 + fixed + index * each, part);
    }
    at += 12 + fixed + each * count;
  }
  // The string section is last, so that it can grow.
  const bytes = table.bytes;
  const whole = new Uint8Array(strings + bytes.length);
  whole.set(out.subarray(0, strings));
  whole.set(bytes, strings);
  new DataView(whole.buffer).setUint32(20, bytes.length, true);
  return whole;
}

/** Returns the object with its names replaced in both BTF and the symbol table. */
export function renamed(object: Uint8Array, rename: Rename): Uint8Array<ArrayBuffer> {
  const { sections, names } = sectionsOf(object);
  const replaced = new Map<Section, Uint8Array>();
  const headers = object.slice();
  const headerView = new DataView(headers.buffer);
  const data = (section: Section): Uint8Array =>
    object.slice(section.offset, section.offset + section.size);

  const btf = sections.find(({ name }) => name === ".BTF");
  if (btf !== undefined) replaced.set(btf, renameBtf(data(btf), rename));

  const symbols = sections.find(({ type }) => type === 2);
  const symbolNames = sections[symbols?.link ?? 0];
  const sectionNames = sections[names];
  if (symbols === undefined || symbolNames === undefined || sectionNames === undefined) {
    throw new Error("the object has no symbols");
  }
  const table = new Strings(data(symbolNames));
  const changed = data(symbols);
  const view = new DataView(changed.buffer);
  for (let at = 24; at < changed.length; at += 24) {
    const type = changed[at + 4] as number & 15;
    const place: Place | undefined = (type & 15) === 2
      ? "function"
      : (type & 15) === 1
      ? "variable"
      : undefined;
    const name = textAt(object, symbolNames.offset + view.getUint32(at, true));
    const wanted = place === undefined || name === "" ? undefined : rename(place, name);
    if (wanted !== undefined) view.setUint32(at, table.add(wanted), true);
  }
  replaced.set(symbols, changed);
  // Renames program sections only: names such as .maps and .BTF identify the section's content.
  if (sectionNames === symbolNames) {
    for (const section of sections) {
      if (section.name.startsWith(".") || /^(license|version|)$/.test(section.name)) continue;
      const wanted = rename("section", section.name);
      if (wanted !== undefined) headerView.setUint32(section.header, table.add(wanted), true);
    }
  }
  replaced.set(symbolNames, table.bytes);

  const parts: Uint8Array[] = [headers];
  let end = headers.length;
  for (const [section, bytes] of replaced) {
    const padding = new Uint8Array((8 - end % 8) % 8);
    parts.push(padding, bytes);
    headerView.setBigUint64(section.header + 24, BigInt(end + padding.length), true);
    headerView.setBigUint64(section.header + 32, BigInt(bytes.length), true);
    end += padding.length + bytes.length;
  }
  const whole = new Uint8Array(end);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
