# Sends requests as fast as possible: flood.pl SOCKET UID REQUEST SECONDS inside|outside
use strict;
use warnings;
use Attack;

my ($path, $uid, $request, $seconds, $where) = @ARGV;
become($uid + 0);
own_namespace($uid, NEWNS | NEWNET) if $where eq 'inside';
my ($asked, $granted, $answered, $end) = (0, 0, 0, now() + $seconds);
while (now() < $end) {
  my ($answer, $token) = ask($path, $request, 1);
  $asked++;
  $answered++ if $answer =~ /^\{/;
  $granted++ if $token >= 0;
  sys('close', $token) if $token >= 0;
  nap(0.001) if $answer =~ /^connect/;
}
say_value('asked', $asked);
say_value('answered', $answered);
say_value('granted', $granted);
