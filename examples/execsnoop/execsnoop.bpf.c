// SPDX-License-Identifier: MIT
// Reports every program execution, after the kernel has switched to the new program.
#include "bpf.h"

struct task_struct {
	int tgid;
	struct task_struct *real_parent;
} KERNEL_TYPE;

struct linux_binprm {
	const char *filename;
} KERNEL_TYPE;

struct event {
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	char comm[16];
	char filename[128];
};

// #region map
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps") EVENT_TYPE(event);
// #endregion map

/* Settable before load: report this uid only; -1 reports all. */
const volatile int target_uid = -1;

/* Events lost because the ring buffer was full. */
__u64 dropped;

static __noinline void describe(struct event *event, struct task_struct *task, const char *file)
{
	event->pid = task->tgid;
	event->ppid = task->real_parent->tgid;
	event->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), file);
}

SEC("tp_btf/sched_process_exec")
int handle_exec(__u64 *context)
{
	struct task_struct *task = ARGUMENT(context, 0, struct task_struct *);
	struct linux_binprm *binprm = ARGUMENT(context, 2, struct linux_binprm *);
	struct event *event;

	if (target_uid >= 0 && (__u32)bpf_get_current_uid_gid() != (__u32)target_uid)
		return 0;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	describe(event, task, binprm->filename);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
