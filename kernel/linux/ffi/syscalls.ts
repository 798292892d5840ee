/**
 * The numbers of the system calls of the architecture that this process runs on.
 *
 * @module
 */

import { type SystemCalls, systemCallTables } from "../../../uapi/system_calls.ts";

/** Numbers by name. */
export const systemCalls: SystemCalls = systemCallTables[Deno.build.arch];
