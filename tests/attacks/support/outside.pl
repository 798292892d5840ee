# An unprivileged process outside with the sandbox's uid: outside.pl UID enter PID | token SOCKET
use strict;
use warnings;
use Attack;
use Fcntl;
use Socket qw(AF_UNIX pack_sockaddr_un);

my ($uid, $what, $where) = @ARGV;
my $listener;
if ($what eq 'token') {
  socket $listener, AF_UNIX, 5, 0 or die;
  bind $listener, pack_sockaddr_un($where) or die "$where: $!\n";
  listen $listener, 5 or die;
  chmod 0666, $where;
}
become($uid + 0);
say_value('capabilities', (read_file('/proc/self/status') // '') =~ /^CapEff:\s*(\w+)/m ? $1 : '?');
# Control: without the token nothing loads.
say_value('before', errno_name(map_create(-1)));

if ($what eq 'enter') {
  for my $pid (split /,/, $where) {
    my $file;
    my $fd = sysopen($file, "/proc/$pid/ns/user", O_RDONLY) ? fileno $file : -($! + 0);
    say_value('opened', errno_name($fd));
    my $result = $fd < 0 ? $fd : sys('setns', $fd, NEWUSER);
    say_value("entered", errno_name($result));
    # Also through a pidfd of the process.
    my $process = sys('pidfd_open', $pid + 0, 0);
    my $by = $process < 0 ? $process : sys('setns', $process, NEWUSER);
    say_value('enteredByPidfd', errno_name($by));
    my $seized = sys('ptrace', 0x4206, $pid + 0, 0, 0);
    say_value('traced', errno_name($seized));
  }
} else {
  say_value('listening', 'yes');
  accept my $connection, $listener or die;
  my $token = receive_fd($connection, 10);
  say_value('received', $token >= 0 ? 'yes' : 'no');
  say_value('map', errno_name(map_create($token)));
  my ($program) = program_load($token, 1, 0, insn(0xb7, 0, 0, 0, 0) . insn(0x95, 0, 0, 0, 0));
  say_value('program', errno_name($program));
}
