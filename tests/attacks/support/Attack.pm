# Shared code of the attackers: raw system calls, namespaces, and the client of the broker's socket.
#
# perl-base is Essential in Debian, so attackers need no compiler and no further package. It contains
# neither syscall.ph nor Time::HiRes nor JSON. An attacker prints `name=value` lines.
package Attack;
use strict;
use warnings;
use Exporter 'import';
use POSIX ();
use Socket qw(AF_UNIX pack_sockaddr_un);

our @EXPORT = qw(sys errno_name say_value nap now own_namespace mapped_namespace become
  write_file read_file last_pid wait_for connect_to send_request receive ask send_fd receive_fd
  socket_pair bpf map_create program_load insn test_run signal_line
  NEWNS NEWUSER NEWNET NEWPID $machine);

use constant { NEWNS => 0x20000, NEWUSER => 0x10000000, NEWNET => 0x40000000, NEWPID => 0x20000000 };
use constant { SEQPACKET => 5, MSG_NOSIGNAL => 0x4000, PR_SET_DUMPABLE => 4, TOKEN_FLAG => 1 << 16 };

my %all = (
  x86_64 => {
    read => 0, write => 1, close => 3, mmap => 9, mprotect => 10, ioctl => 16, socketpair => 53,
    sendmsg => 46, recvmsg => 47, clone => 56, exit => 60, ptrace => 101, setresuid => 117,
    setresgid => 119, setgroups => 116, prctl => 157, mount => 165, umount2 => 166, gettid => 186,
    clock_gettime => 228, add_key => 248, keyctl => 250, openat => 257, unshare => 272,
    prlimit64 => 302, setns => 308, seccomp => 317, bpf => 321, fsopen => 430, fsconfig => 431,
    fsmount => 432, pidfd_open => 434, exit_group => 231, setsid => 112, setpriority => 141,
    sched_setscheduler => 144, socket => 41, setsockopt => 54, bind => 49,
  },
  aarch64 => {
    read => 63, write => 64, close => 57, mmap => 222, mprotect => 226, ioctl => 29,
    socketpair => 199, sendmsg => 211, recvmsg => 212, clone => 220, exit => 93, ptrace => 117,
    setresuid => 147, setresgid => 149, setgroups => 159, prctl => 167, mount => 40, umount2 => 39,
    gettid => 178, clock_gettime => 113, add_key => 217, keyctl => 219, openat => 56, unshare => 97,
    prlimit64 => 261, setns => 268, seccomp => 277, bpf => 280, fsopen => 430, fsconfig => 431,
    fsmount => 432, pidfd_open => 434, exit_group => 94, setsid => 157, setpriority => 140,
    sched_setscheduler => 119, socket => 198, setsockopt => 208, bind => 200,
  },
);
our $machine = (POSIX::uname())[4];
my $numbers = $all{$machine} or die "no system call numbers for $machine\n";
$| = 1;

# Makes a system call: returns its result or the negated errno. Strings are passed by address.
sub sys {
  my $name = shift;
  my $number = $numbers->{$name} // die "no number of $name\n";
  my $result = syscall($number, @_);
  return $result == -1 ? -($! + 0) : $result;
}

my %names = (1 => 'EPERM', 2 => 'ENOENT', 3 => 'ESRCH', 4 => 'EINTR', 5 => 'EIO', 7 => 'E2BIG',
  9 => 'EBADF', 11 => 'EAGAIN', 12 => 'ENOMEM', 13 => 'EACCES', 14 => 'EFAULT', 16 => 'EBUSY',
  17 => 'EEXIST', 22 => 'EINVAL', 23 => 'ENFILE', 24 => 'EMFILE', 25 => 'ENOTTY', 28 => 'ENOSPC',
  32 => 'EPIPE', 38 => 'ENOSYS', 95 => 'EOPNOTSUPP', 104 => 'ECONNRESET', 111 => 'ECONNREFUSED',
  126 => 'ENOKEY');

# Returns `ok` for a result, the errno's name for a negated errno.
sub errno_name {
  my ($result) = @_;
  return $result >= 0 ? 'ok' : $names{-$result} // "errno " . -$result;
}

sub say_value {
  my ($name, $value) = @_;
  $value =~ s/[\r\n]/ /g;
  print "$name=$value\n";
}

sub nap { select(undef, undef, undef, $_[0]) }

# Returns the monotonic clock in seconds.
sub now {
  my $time = "\0" x 16;
  sys('clock_gettime', 1, $time);
  my ($seconds, $nanoseconds) = unpack 'qq', $time;
  return $seconds + $nanoseconds / 1e9;
}

sub write_file {
  my ($path, $text) = @_;
  open my $file, '>', $path or return -($! + 0);
  my $count = syswrite $file, $text;
  return defined $count ? 0 : -($! + 0);
}

sub read_file {
  my ($path) = @_;
  open my $file, '<', $path or return undef;
  local $/;
  return scalar <$file>;
}

# Returns the last allocated pid from /proc/loadavg, which all users may read.
my $loadavg;
sub last_pid {
  open $loadavg, '<', '/proc/loadavg' or die unless $loadavg;
  sysseek $loadavg, 0, 0;
  sysread $loadavg, my $text, 128;
  return (split ' ', $text)[4] + 0;
}

# Waits until the condition holds, at most the given seconds; returns whether it held.
sub wait_for {
  my ($seconds, $condition) = @_;
  my $end = now() + $seconds;
  while (!$condition->()) { return 0 if now() > $end; nap(0.005) }
  return 1;
}

# Reads a line of standard input, by which the test lets the attacker continue.
sub signal_line { return scalar <STDIN> }

# Changes to a uid and gid without supplementary groups. PR_SET_DUMPABLE keeps its /proc files owned by the uid.
sub become {
  my ($uid) = @_;
  sys('setgroups', 0, 0);
  my $result = sys('setresgid', $uid, $uid, $uid) || sys('setresuid', $uid, $uid, $uid);
  die "setresuid: $result\n" if $result < 0;
  sys('prctl', PR_SET_DUMPABLE, 1, 0, 0, 0);
  # The process ends with its parent. A change of credentials clears PR_SET_PDEATHSIG.
  sys('prctl', 1, 9, 0, 0, 0);
}

# Creates namespaces as an ordinary user does, mapped to root inside.
sub own_namespace {
  my ($uid, $flags) = @_;
  my $result = sys('unshare', NEWUSER);
  die 'unshare: ' . errno_name($result) . "\n" if $result < 0;
  write_file('/proc/self/setgroups', 'deny');
  for (['uid_map', $uid], ['gid_map', $uid]) {
    $result = write_file("/proc/self/$_->[0]", "0 $_->[1] 1\n");
    die "$_->[0]: " . errno_name($result) . "\n" if $result < 0;
  }
  $result = sys('unshare', $flags) if $flags;
  die 'unshare: ' . errno_name($result) . "\n" if $result < 0;
}

# Creates a namespace like a rootful container: root writes its maps and maps root inside to another uid.
# Its owner is its creator: kuid 0, or the given uid.
sub mapped_namespace {
  my ($base, $count, $flags, $owner) = @_;
  my $self = $$;
  pipe my $go_read, my $go_write or die;
  pipe my $done_read, my $done_write or die;
  my $child = fork // die;
  if ($child == 0) {
    sysread $go_read, my $byte, 1;
    my $result = write_file("/proc/$self/uid_map", "0 $base $count\n")
      || write_file("/proc/$self/gid_map", "0 $base $count\n");
    syswrite $done_write, pack 'l', $result;
    POSIX::_exit(0);
  }
  become($owner) if $owner;
  my $result = sys('unshare', NEWUSER | $flags);
  die 'unshare: ' . errno_name($result) . "\n" if $result < 0;
  syswrite $go_write, 'x';
  sysread $done_read, my $answer, 4;
  waitpid $child, 0;
  $result = unpack 'l', $answer;
  die 'uid_map: ' . errno_name($result) . "\n" if $result < 0;
  become(0);
}

sub connect_to {
  my ($path) = @_;
  socket my $socket, AF_UNIX, SEQPACKET, 0 or return undef;
  return connect($socket, pack_sockaddr_un($path)) ? $socket : undef;
}

sub send_request {
  my ($socket, $text) = @_;
  return defined send $socket, $text, MSG_NOSIGNAL;
}

# Receives a message and its first descriptor, waiting at most the given seconds.
sub receive {
  my ($socket, $seconds) = @_;
  my $bits = '';
  vec($bits, fileno($socket), 1) = 1;
  return ('timeout', -1) if select($bits, undef, undef, $seconds) < 1;
  my $data = "\0" x 8192;
  my $control = "\0" x 256;
  my $vector = pack 'PQ', $data, length $data;
  my $header = pack 'QQPQPQQ', 0, 0, $vector, 1, $control, length $control, 0;
  my $count = sys('recvmsg', fileno($socket), $header, 0);
  return (errno_name($count), -1) if $count < 0;
  my $length = (unpack 'Q7', $header)[5];
  my $fd = $length >= 20 ? unpack 'x16 l', $control : -1;
  return (substr($data, 0, $count), $fd);
}

# Sends one request; returns the answer's text and the token's descriptor or -1.
sub ask {
  my ($path, $request, $seconds) = @_;
  my $socket = connect_to($path) or return ('connect: ' . errno_name(-($! + 0)), -1);
  send_request($socket, $request);
  return receive($socket, $seconds // 5);
}

sub socket_pair {
  socketpair my $one, my $other, AF_UNIX, SEQPACKET, 0 or die;
  return ($one, $other);
}

sub send_fd {
  my ($socket, $fd) = @_;
  my $data = 'x';
  my $control = pack 'Qlllx4', 20, 1, 1, $fd;
  my $vector = pack 'PQ', $data, 1;
  my $header = pack 'QQPQPQQ', 0, 0, $vector, 1, $control, 24, 0;
  return sys('sendmsg', fileno($socket), $header, 0);
}

sub receive_fd { my ($socket, $seconds) = @_; return (receive($socket, $seconds // 10))[1] }

sub bpf {
  my ($command, $attributes) = @_;
  $attributes .= "\0" x (160 - length $attributes);
  return sys('bpf', $command, $attributes, length $attributes);
}

# BPF_MAP_CREATE of a hash map, with an optional token.
sub map_create {
  my ($token, $type) = @_;
  my $attributes = "\0" x 160;
  substr($attributes, 0, 20) = pack 'LLLLL', $type // 1, 4, 8, 4, $token >= 0 ? TOKEN_FLAG : 0;
  substr($attributes, 76, 4) = pack 'l', $token if $token >= 0;
  return bpf(0, $attributes);
}

# Encodes one instruction: code, destination, source, offset, immediate.
sub insn {
  my ($code, $destination, $source, $offset, $immediate) = @_;
  return pack 'CCsl', $code, $destination | $source << 4, $offset, $immediate;
}

# BPF_PROG_LOAD with an optional token: returns the descriptor or the negated errno, and the verifier's log.
sub program_load {
  my ($token, $type, $attach_type, $instructions, $with_log, $attach_id) = @_;
  my $license = "GPL\0";
  my $log = "\0" x 65536;
  my $attributes = "\0" x 160;
  substr($attributes, 0, 24) = pack 'LLPP', $type, length($instructions) / 8, $instructions, $license;
  substr($attributes, 24, 16) = pack 'LLP', 1, length $log, $log if $with_log;
  substr($attributes, 44, 4) = pack 'L', $token >= 0 ? TOKEN_FLAG : 0;
  substr($attributes, 68, 4) = pack 'L', $attach_type;
  substr($attributes, 108, 4) = pack 'L', $attach_id // 0;
  substr($attributes, 144, 4) = pack 'l', $token if $token >= 0;
  my $result = bpf(5, $attributes);
  $log =~ s/\0.*//s;
  return ($result, $log);
}

# BPF_PROG_TEST_RUN with a small packet: returns the program's return value or the negated errno.
sub test_run {
  my ($program) = @_;
  my $data = "\0" x 64;
  my $attributes = "\0" x 160;
  substr($attributes, 0, 4) = pack 'L', $program;
  substr($attributes, 8, 4) = pack 'L', length $data;
  substr($attributes, 16, 8) = pack 'P', $data;
  substr($attributes, 32, 4) = pack 'L', 1;
  my $result = sys("bpf", 10, $attributes, 160);
  return $result < 0 ? $result : unpack 'x4 L', $attributes;
}

1;
