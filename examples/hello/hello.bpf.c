// SPDX-License-Identifier: MIT
// Counts program executions.
#include "bpf.h"

__u64 started;

SEC("raw_tp/sched_process_exec")
int hello(void *context)
{
	__sync_fetch_and_add(&started, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
