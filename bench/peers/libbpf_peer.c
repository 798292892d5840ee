// The peer: the same work as skep's benchmarks, done by libbpf in C.
//
// Each measurement prints one line of JSON: {"name": …, "unit": …, "samples": […]}.
// Built by `deno task bench` against the machine's libbpf when a compiler and libbpf-dev are there.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments) {
  (void)level, (void)format, (void)arguments;
  return 0;
}

static void begin(const char *name, const char *unit) {
  printf("{\"name\":\"%s\",\"unit\":\"%s\",\"samples\":[", name, unit);
}

static void sample(double value, bool first) { printf(first ? "%.1f" : ",%.1f", value); }

static void end(void) {
  printf("]}\n");
  fflush(stdout);
}

static void die(const char *what) {
  fprintf(stderr, "libbpf_peer: %s\n", what);
  exit(1);
}

// open FILE ROUNDS: bytes to bpf_object, nothing loaded.
static void bench_open(const char *path, int rounds) {
  begin("open", "us");
  for (int i = 0; i < rounds; i++) {
    double start = now();
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    if (!object) die("open");
    sample((now() - start) / 1e3, i == 0);
    bpf_object__close(object);
  }
  end();
}

// load FILE ROUNDS: open and load, each time a new object; the first sample is the first in the process.
static void bench_load(const char *path, int rounds) {
  begin("load", "us");
  for (int i = 0; i < rounds; i++) {
    double start = now();
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    if (!object || bpf_object__load(object)) die("load");
    sample((now() - start) / 1e3, i == 0);
    bpf_object__close(object);
  }
  end();
}

// btf ROUNDS: kernel BTF from nothing, and the name of one struct found in it.
static void bench_btf(int rounds) {
  begin("btf", "us");
  for (int i = 0; i < rounds; i++) {
    double start = now();
    struct btf *btf = btf__load_vmlinux_btf();
    if (!btf || btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT) < 0) die("btf");
    sample((now() - start) / 1e3, i == 0);
    btf__free(btf);
  }
  end();
}

static struct bpf_object *bench_object(const char *path) {
  struct bpf_object *object = bpf_object__open_file(path, NULL);
  if (!object || bpf_object__load(object)) die("load bench.bpf.o");
  return object;
}

static __u64 seen;

static int on_event(void *context, void *data, size_t size) {
  (void)context, (void)size;
  seen += *(__u64 *)data;
  return 0;
}

// ring FILE ROUNDS EVENTS: consume what the program put there before.
static void bench_ring(const char *path, int rounds, int events) {
  struct bpf_object *object = bench_object(path);
  int map = bpf_object__find_map_fd_by_name(object, "events");
  int program = bpf_program__fd(bpf_object__find_program_by_name(object, "produce"));
  struct ring_buffer *ring = ring_buffer__new(map, on_event, NULL, NULL);
  if (!ring) die("ring_buffer__new");
  unsigned char packet[64] = {0};
  begin("ring", "ns");
  for (int i = 0; i < rounds; i++) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet), .repeat = events);
    if (bpf_prog_test_run_opts(program, &run)) die("test_run");
    double start = now();
    int count = ring_buffer__consume(ring);
    if (count != events) die("ring count");
    sample((now() - start) / events, i == 0);
  }
  end();
  ring_buffer__free(ring);
  bpf_object__close(object);
}

// map FILE ROUNDS: single and batch operations on a hash of 60,000 elements of 8 bytes.
static void bench_map(const char *path, int rounds) {
  enum { COUNT = 60000, BATCH = 4096 };
  struct bpf_object *object = bench_object(path);
  int map = bpf_object__find_map_fd_by_name(object, "table");
  static __u64 keys[COUNT], values[COUNT], next;
  for (__u64 i = 0; i < COUNT; i++) bpf_map_update_elem(map, &i, &i, 0);

  begin("lookup", "ns");
  for (int i = 0; i < rounds; i++) {
    double start = now();
    for (__u64 key = 0; key < COUNT; key++) bpf_map_lookup_elem(map, &key, &next);
    sample((now() - start) / COUNT, i == 0);
  }
  end();

  begin("update", "ns");
  for (int i = 0; i < rounds; i++) {
    double start = now();
    for (__u64 key = 0; key < COUNT; key++) bpf_map_update_elem(map, &key, &key, 0);
    sample((now() - start) / COUNT, i == 0);
  }
  end();

  begin("iterate", "ns");
  for (int i = 0; i < rounds; i++) {
    __u64 key, count = 0, *previous = NULL, value;
    double start = now();
    while (!bpf_map_get_next_key(map, previous, &key)) {
      bpf_map_lookup_elem(map, &key, &value);
      previous = &key;
      count++;
    }
    if (count != COUNT) die("iterate");
    sample((now() - start) / COUNT, i == 0);
  }
  end();

  begin("batch_lookup", "ns");
  for (int i = 0; i < rounds; i++) {
    __u64 cursor = 0, total = 0;
    bool first = true;
    double start = now();
    for (;;) {
      __u32 count = BATCH;
      int error = bpf_map_lookup_batch(map, first ? NULL : &cursor, &cursor, keys, values, &count, NULL);
      total += count;
      first = false;
      if (error) break;
    }
    if (total != COUNT) die("batch");
    sample((now() - start) / COUNT, i == 0);
  }
  end();
  bpf_object__close(object);
}

static double latency;

static int on_wake(void *context, void *data, size_t size) {
  (void)context, (void)size;
  latency = now() - (double)((__u64 *)data)[2];
  return 0;
}

static void *produce_slowly(void *program) {
  unsigned char packet[64] = {0};
  for (;;) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
    usleep(2000);
    if (bpf_prog_test_run_opts(*(int *)program, &run)) die("test_run");
  }
  return NULL;
}

// wake FILE EVENTS: from the record's own clock to the callback, one record every two milliseconds.
static void bench_wake(const char *path, int events) {
  struct bpf_object *object = bench_object(path);
  int program = bpf_program__fd(bpf_object__find_program_by_name(object, "produce_one"));
  struct ring_buffer *ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), on_wake, NULL, NULL);
  if (!ring) die("ring_buffer__new");
  pthread_t thread;
  if (pthread_create(&thread, NULL, produce_slowly, &program)) die("pthread_create");
  begin("wake", "us");
  for (int i = 0; i < events; i++) {
    if (ring_buffer__poll(ring, -1) < 1) die("ring_buffer__poll");
    sample(latency / 1e3, i == 0);
  }
  end();
  exit(0);
}

static int on_first(void *context, void *data, size_t size) {
  (void)context, (void)data;
  printf("%zu\n", size);
  exit(fflush(stdout));
}

// first FILE: the whole way to the first event of the map `events`; ends with it.
static void bench_first(const char *path) {
  struct bpf_object *object = bpf_object__open_file(path, NULL);
  if (!object || bpf_object__load(object)) die("load");
  struct bpf_program *program;
  bpf_object__for_each_program(program, object) {
    if (!bpf_program__attach(program)) die("attach");
  }
  struct ring_buffer *ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), on_first, NULL, NULL);
  if (!ring) die("ring_buffer__new");
  for (;;) ring_buffer__poll(ring, -1);
}

int main(int count, char **words) {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  libbpf_set_print(quiet);
  if (count >= 2 && !strcmp(words[1], "version")) {
    printf("%s\n", libbpf_version_string());
  } else if (count == 4 && !strcmp(words[1], "open")) {
    bench_open(words[2], atoi(words[3]));
  } else if (count == 4 && !strcmp(words[1], "load")) {
    bench_load(words[2], atoi(words[3]));
  } else if (count == 3 && !strcmp(words[1], "btf")) {
    bench_btf(atoi(words[2]));
  } else if (count == 5 && !strcmp(words[1], "ring")) {
    bench_ring(words[2], atoi(words[3]), atoi(words[4]));
  } else if (count == 4 && !strcmp(words[1], "wake")) {
    bench_wake(words[2], atoi(words[3]));
  } else if (count == 3 && !strcmp(words[1], "first")) {
    bench_first(words[2]);
  } else if (count == 4 && !strcmp(words[1], "map")) {
    bench_map(words[2], atoi(words[3]));
  } else {
    fprintf(stderr, "usage: libbpf_peer version | open FILE N | load FILE N | btf N | ring FILE N EVENTS | map FILE N | wake FILE EVENTS | first FILE\n");
    return 2;
  }
  return 0;
}
