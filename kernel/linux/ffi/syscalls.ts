/**
 * System call numbers of the architecture that this process runs on.
 *
 * @module
 */

import { type SystemCalls, systemCallTables } from "../../../uapi/system_calls.ts";

/** System call numbers by name. */
export const systemCalls: SystemCalls = systemCallTables[Deno.build.arch];
