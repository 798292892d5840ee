// SPDX-License-Identifier: MIT
// Reports every TCP connection that opens or closes, read from the kernel's struct sock.
#include "bpf.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
} KERNEL_TYPE;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} KERNEL_TYPE;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} KERNEL_TYPE;

enum tcp_state {
	ESTABLISHED = 1,
	SYN_SENT,
	SYN_RECV,
	FIN_WAIT1,
	FIN_WAIT2,
	TIME_WAIT,
	CLOSE,
	CLOSE_WAIT,
	LAST_ACK,
	LISTEN,
	CLOSING,
	NEW_SYN_RECV,
};

struct event {
	__u32 pid;
	enum tcp_state from;
	enum tcp_state to;
	__u16 family;
	__u16 local_port;
	__u16 remote_port;
	__u8 local_address[16];
	__u8 remote_address[16];
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps") EVENT_TYPE(event);

static __noinline void describe(struct event *event, struct sock_common *common)
{
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->family = common->skc_family;
	event->local_port = common->skc_num;
	event->remote_port = bpf_ntohs(common->skc_dport);
	__builtin_memset(event->local_address, 0, 16);
	__builtin_memset(event->remote_address, 0, 16);
	if (event->family == AF_INET) {
		*(__be32 *)event->local_address = common->skc_rcv_saddr;
		*(__be32 *)event->remote_address = common->skc_daddr;
	} else if (event->family == AF_INET6 && bpf_core_field_exists(common->skc_v6_daddr)) {
		/* Without IPv6 in the kernel these fields are missing, and CO-RE removes the branch. */
		for (int i = 0; i < 16; i++) {
			event->local_address[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr8[i];
			event->remote_address[i] = common->skc_v6_daddr.in6_u.u6_addr8[i];
		}
	}
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

SEC("tp_btf/inet_sock_set_state")
int handle_state(__u64 *context)
{
	struct sock *sock = ARGUMENT(context, 0, struct sock *);
	struct event *event;

	if (sock->sk_protocol != IPPROTO_TCP)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->from = ARGUMENT(context, 1, int);
	event->to = ARGUMENT(context, 2, int);
	describe(event, &sock->__sk_common);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
