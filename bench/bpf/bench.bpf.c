// What the benchmarks load: a producer of 64-byte ring buffer records, and maps to hammer.
// Declarations are written by hand so that nothing but clang is needed to build it.
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static void *(*const bpf_ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, __u64 flags) = (void *)132;

#define RINGBUF 27
#define HASH 1

struct event {
  __u64 sequence;
  __u32 pid;
  __u32 cpu;
  __u64 delta;
  char comm[16];
  __u64 bytes;
  __u64 flags;
  __u64 address;
};

struct {
  __uint(type, RINGBUF);
  __uint(max_entries, 1 << 27);
} events SEC(".maps");

struct {
  __uint(type, HASH);
  __uint(max_entries, 65536);
  __type(key, __u64);
  __type(value, __u64);
} table SEC(".maps");

// Makes clang describe the record in BTF: a type that only local variables have is left out.
const struct event *unused_event __attribute__((unused));

__u64 sequence = 0;
__u64 dropped = 0;

// Run with BPF_PROG_TEST_RUN and a repeat count: one record a run. The kernel wakes the consumer for the
// first record only, so what is measured is the consumer and not the scheduler.
SEC("xdp")
int produce(void *context) {
  struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    dropped++;
    return 2;
  }
  __u64 number = sequence++;
  event->sequence = number;
  event->pid = (__u32)number;
  event->cpu = 0;
  event->delta = number * 3;
  __builtin_memcpy(event->comm, "benchmark-event", 16);
  event->bytes = number << 4;
  event->flags = 1;
  event->address = 0xffff888000000000ULL + number;
  bpf_ringbuf_submit(event, 0);
  return 2;
}

// One record that tells when it was made: for wake-up latencies.
SEC("xdp")
int produce_one(void *context) {
  struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return 1;
  __builtin_memset(event, 0, sizeof(*event));
  event->delta = bpf_ktime_get_ns();
  bpf_ringbuf_submit(event, 0);
  return 2;
}

char LICENSE[] SEC("license") = "GPL";
