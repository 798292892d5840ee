/**
 * Sets and deletes many elements of a map with batch commands.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { viewOf } from "./iterator.ts";
import { BATCH, type RawMap } from "./raw.ts";
import type { ValueCodec } from "./values.ts";
import { BPF_F_LOCK } from "../../uapi/bpf_flags.ts";

/**
 * Sets elements and returns their number. Uses BPF_MAP_UPDATE_BATCH (Linux 5.6), or single updates where the map
 * type or kernel has no batches, and with flags other than BPF_F_LOCK, which batches refuse.
 *
 * @throws {KernelError} with the index of the element that failed; the elements before it are set.
 */
export function setMany(
  raw: RawMap,
  entries: readonly (readonly [unknown, unknown])[],
  codecs: { readonly key: ValueCodec; readonly value: ValueCodec },
  flags: number,
): number {
  if (entries.length < 2 || (flags & ~BPF_F_LOCK) !== 0) {
    return setSingly(raw, entries, codecs, flags);
  }
  using batch = raw.batch(Math.min(entries.length, BATCH));
  const keys = viewOf(batch.keys);
  const values = viewOf(batch.values);
  for (let done = 0; done < entries.length; done += batch.capacity) {
    const part = entries.slice(done, done + batch.capacity);
    for (const [index, [key, value]] of part.entries()) {
      codecs.key.encode(key, keys, index * raw.keySize);
      codecs.value.encode(value, values, index * raw.valueSize);
    }
    const result = batch.update(part.length, flags);
    if (result >= 0) continue;
    if (done === 0 && batch.count === 0 && WITHOUT_BATCHES.has(-result)) {
      return setSingly(raw, entries, codecs, flags);
    }
    throw raw.failure(result, `set element ${done + batch.count} of`, "BPF_MAP_UPDATE_BATCH");
  }
  return entries.length;
}

function setSingly(
  raw: RawMap,
  entries: readonly (readonly [unknown, unknown])[],
  codecs: { readonly key: ValueCodec; readonly value: ValueCodec },
  flags: number,
): number {
  const { elements } = raw;
  const key = viewOf(elements.key);
  const value = viewOf(elements.value);
  for (const [index, entry] of entries.entries()) {
    codecs.key.encode(entry[0], key, 0);
    codecs.value.encode(entry[1], value, 0);
    const result = elements.update(flags);
    if (result < 0) throw raw.failure(result, `set element ${index} of`, "BPF_MAP_UPDATE_ELEM");
  }
  return entries.length;
}

/**
 * Deletes keys and returns how many existed. Uses BPF_MAP_DELETE_BATCH (Linux 5.6), or `single` where the map type
 * or kernel has no batches.
 */
export function deleteMany<K>(
  raw: RawMap,
  keys: readonly K[],
  codec: ValueCodec,
  single: (key: K) => boolean,
): number {
  if (keys.length < 2) return keys.filter(single).length;
  using batch = raw.batch(Math.min(keys.length, BATCH));
  const view = viewOf(batch.keys);
  let deleted = 0;
  for (let next = 0; next < keys.length;) {
    const part = keys.slice(next, next + batch.capacity);
    for (const [index, key] of part.entries()) codec.encode(key, view, index * raw.keySize);
    const result = batch.delete(part.length);
    deleted += batch.count;
    // The command stops at the first key that does not exist (ENOENT); continue after it.
    if (result >= 0) next += part.length;
    else if (failed(result, Errno.ENOENT)) next += batch.count + 1;
    else if (next === 0 && batch.count === 0 && WITHOUT_BATCHES.has(-result)) {
      return keys.filter(single).length;
    } else throw raw.failure(result, `delete key ${next + batch.count} of`, "BPF_MAP_DELETE_BATCH");
  }
  return deleted;
}

/**
 * Errnos of map types and kernels without batches. EINVAL can have other causes, which the single command
 * reports.
 */
const WITHOUT_BATCHES: ReadonlySet<number> = new Set<number>([
  Errno.ENOTSUPP,
  Errno.EOPNOTSUPP,
  Errno.EINVAL,
]);
