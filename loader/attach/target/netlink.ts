/**
 * Builds and parses the netlink messages that attaching needs.
 *
 * @module
 */

import { NLA_F_NESTED, NLA_TYPE_MASK, NLM_F_ACK, NLM_F_REQUEST } from "../../../uapi/netlink.ts";
import { getNumber, setField, viewOf } from "../../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../../uapi/system_layouts.ts";

const HEADER = systemStructSizes.nlmsghdr;
const ATTRIBUTE = systemStructSizes.nlattr;

/** Flags of every request here: NLM_F_REQUEST and NLM_F_ACK. */
export const REQUEST_ACK: number = NLM_F_REQUEST | NLM_F_ACK;

/** Builds one netlink message: a fixed part, then attributes, which may nest. */
export class NetlinkMessage {
  #bytes: number[] = [];
  #open: number[] = [];
  readonly #type: number;
  readonly #flags: number;

  /** Starts a message of a type with NLM_F_… flags. */
  constructor(type: number, flags: number) {
    this.#type = type;
    this.#flags = flags;
  }

  /** Adds 8-bit fields. */
  u8(...values: number[]): this {
    this.#bytes.push(...values.map((value) => value & 0xff));
    return this;
  }

  /** Adds a 16-bit field. */
  u16(value: number): this {
    return this.u8(value, value >>> 8);
  }

  /** Adds 32-bit fields. */
  u32(...values: number[]): this {
    for (const value of values) this.u8(value, value >>> 8, value >>> 16, value >>> 24);
    return this;
  }

  /** Adds an attribute with a 32-bit value. */
  attribute32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** Adds an attribute with bytes, padded to four bytes. */
  attribute(type: number, bytes: Uint8Array): this {
    this.u16(4 + bytes.length).u16(type).u8(...bytes);
    return this.#pad();
  }

  /** Adds an attribute with a NUL-terminated string. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, new TextEncoder().encode(`${text}\0`));
  }

  /** Opens a nested attribute. */
  begin(type: number): this {
    this.#open.push(this.#bytes.length);
    return this.u16(0).u16(type | NLA_F_NESTED);
  }

  /**
   * Closes the attribute opened last.
   *
   * @throws {RangeError} when no attribute is open.
   */
  end(): this {
    const start = this.#open.pop();
    if (start === undefined) throw new RangeError("no attribute is open");
    const length = this.#bytes.length - start;
    this.#bytes[start] = length & 0xff;
    this.#bytes[start + 1] = length >>> 8;
    return this;
  }

  /** Returns the message with its header. */
  build(): Uint8Array<ArrayBuffer> {
    const message = new Uint8Array(HEADER + this.#bytes.length);
    const view = viewOf(message);
    const field = systemStructs.nlmsghdr;
    setField(view, field.nlmsg_len, message.length);
    setField(view, field.nlmsg_type, this.#type);
    setField(view, field.nlmsg_flags, this.#flags);
    setField(view, field.nlmsg_seq, 1);
    message.set(this.#bytes, HEADER);
    return message;
  }

  #pad(): this {
    while (this.#bytes.length % 4 !== 0) this.#bytes.push(0);
    return this;
  }
}

/** Parses the attributes in part of a netlink message, by type; the last one of a type is returned. */
export function attributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const { nla_len, nla_type } = systemStructs.nlattr;
  let offset = 0;
  while (offset + ATTRIBUTE <= bytes.length) {
    const view = viewOf(bytes.subarray(offset));
    const length = getNumber(view, nla_len);
    if (length < ATTRIBUTE || offset + length > bytes.length) break;
    found.set(
      getNumber(view, nla_type) & NLA_TYPE_MASK,
      bytes.subarray(offset + ATTRIBUTE, offset + length),
    );
    offset += (length + 3) & ~3;
  }
  return found;
}
