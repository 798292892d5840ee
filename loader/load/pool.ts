/**
 * Runs asynchronous jobs a few at a time, in order of start.
 *
 * @module
 */

/**
 * Runs `job` for each item, at most `limit` at once, and resolves when all that were started have ended.
 *
 * A job that answers `false` stops further starts; those that run are waited for. Jobs start in the
 * order of the items, so everything before a stop has run. A job that throws does the same, and the
 * first such error is thrown at the end.
 */
export async function runPool<T>(
  items: readonly T[],
  limit: number,
  job: (item: T, index: number) => Promise<boolean>,
): Promise<void> {
  let next = 0;
  let going = true;
  const errors: unknown[] = [];
  const work = async (): Promise<void> => {
    while (going && next < items.length) {
      const index = next++;
      try {
        if (!await job(items[index] as T, index)) going = false;
      } catch (error) {
        going = false;
        errors.push(error);
      }
    }
  };
  const width = Math.max(1, Math.min(limit, items.length));
  await Promise.all(Array.from({ length: width }, work));
  if (errors.length > 0) throw errors[0];
}
