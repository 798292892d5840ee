# One owner sends a request under each of its subordinate uids: subordinate.pl SOCKET OWNER COUNT REQUEST
use strict;
use warnings;
use Attack;

my ($path, $owner, $count, $request) = @ARGV;
mapped_namespace(2_000_000 + $$ % 1000 * 65536, 65536, NEWNS | NEWNET, $owner + 0);
my ($granted, $refused, $other, $last) = (0, 0, 0, '');
for my $uid (1 .. $count) {
  pipe my $reader, my $writer or die;
  my $child = fork // die;
  if ($child == 0) {
    become($uid);
    my ($answer, $token) = ask($path, $request, 3);
    syswrite $writer, $token >= 0 ? 'granted' : $answer;
    exit 0;
  }
  close $writer;
  my $answer = '';
  sysread $reader, $answer, 4096;
  waitpid $child, 0;
  if ($answer eq 'granted') { $granted++ }
  elsif ($answer =~ /refused/) { $refused++; $last = $answer }
  else { $other++; $last = $answer }
}
say_value('granted', $granted);
say_value('refused', $refused);
say_value('other', $other);
say_value('last', $last);
