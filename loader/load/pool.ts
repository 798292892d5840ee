/**
 * Runs asynchronous jobs with limited concurrency.
 *
 * @module
 */

/**
 * Runs `job` for each item, at most `limit` concurrently, and resolves when all started jobs have settled.
 *
 * Jobs start in the order of the items. A job that resolves to `false` or throws stops further starts; jobs that
 * already run are awaited.
 *
 * @throws the first error that a job threw, after all started jobs have settled.
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
