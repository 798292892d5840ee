# Reads four bytes of kernel memory in every way available to a BPF program:
# read.pl ADDRESS CAST STRUCT TRACEPOINT OFFSET none|bpffs|broker [SOCKET UID REQUEST]
#
# CAST is the type id of bpf_rdonly_cast, STRUCT that of a struct that begins with an integer, TRACEPOINT
# that of btf_trace_sched_switch, OFFSET that of the pid in task_struct. Each way prints `read VALUE` or
# the errno.
use strict;
use warnings;
use Attack;
use Fcntl;

my ($address, $cast, $struct, $tracepoint, $offset, $from, $socket, $uid, $request) = @ARGV;
my $token = -1;
if ($from eq 'bpffs') {
  sysopen my $bpffs, $ENV{LIBBPF_BPF_TOKEN_PATH}, O_RDONLY | O_DIRECTORY or die "bpffs: $!\n";
  $token = bpf(36, pack 'LL', 0, fileno $bpffs);
  say_value('token', errno_name($token));
} elsif ($from eq 'broker') {
  become($uid + 0);
  own_namespace($uid, NEWNS | NEWNET);
  my $answer;
  ($answer, $token) = ask($socket, $request, 5);
  say_value('token', $token >= 0 ? 'ok' : $answer);
}
say_value('plain', load(insn(0xb7, 0, 0, 0, 7) . insn(0x95, 0, 0, 0, 0)));
say_value('map', errno_name(map_create($token)));
tries('');
# In a nested user namespace: with all capabilities there and the token of the outer namespace.
my $nested = sys('unshare', NEWUSER);
say_value('nested', errno_name($nested));
tries('nested ') if $nested >= 0;

sub tries {
  my ($when) = @_;
  my $wide = wide(1, $address);
  # bpf_probe_read_kernel(stack, 4, address)
  say_value("${when}helper", load(
    insn(0x62, 10, 0, -8, 0) . insn(0xbf, 1, 10, 0, 0) . insn(0x07, 1, 0, 0, -8)
    . insn(0xb7, 2, 0, 0, 4) . wide(3, $address) . insn(0x85, 0, 0, 0, 113)
    . insn(0x61, 0, 10, -8, 0) . insn(0x95, 0, 0, 0, 0)));
  for (['void', 0], ['struct', $struct]) {
    say_value("$when$_->[0]", load(
      $wide . insn(0xb7, 2, 0, 0, $_->[1]) . insn(0x85, 0, 2, 0, $cast)
      . insn(0x61, 0, 0, 0, 0) . insn(0x95, 0, 0, 0, 0)));
  }
  # A BTF pointer argument of a tracepoint program; a successful load counts as a read.
  my ($program) = program_load($token, 26, 23,
    insn(0x79, 1, 1, 8, 0) . insn(0x61, 0, 1, $offset, 0) . insn(0xb7, 0, 0, 0, 0)
    . insn(0x95, 0, 0, 0, 0), 0, $tracepoint);
  say_value("${when}pointer", $program >= 0 ? 'read' : errno_name($program));
}

# Encodes the two instructions that load a 64-bit immediate.
sub wide {
  my ($register, $value) = @_;
  my ($low, $high) = unpack 'll', pack 'Q', $value;
  return insn(0x18, $register, 0, 0, $low) . insn(0, 0, 0, 0, $high);
}

# Runs the code as a socket filter and returns its return value.
sub load {
  my ($program) = program_load($token, 1, 0, $_[0]);
  return errno_name($program) if $program < 0;
  my $result = test_run($program);
  return $result < 0 ? 'loaded, ' . errno_name($result) : "read $result";
}
