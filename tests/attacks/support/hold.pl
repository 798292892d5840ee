# Opens as many connections to the broker as possible and sends nothing on them:
# hold.pl SOCKET UID CONNECTIONS SECONDS inside|outside
use strict;
use warnings;
use Attack;
use Socket qw(AF_UNIX pack_sockaddr_un);

my ($path, $uid, $most, $seconds, $where) = @ARGV;
become($uid + 0);
own_namespace($uid, NEWNS | NEWNET) if $where eq 'inside';
my $address = pack_sockaddr_un($path);
my $end = now() + $seconds;
my ($opened, $peak, @held) = (0, 0);
while (now() < $end) {
  # A readable connection was answered or closed: replace it.
  my $bits = '';
  vec($bits, fileno($_), 1) = 1 for @held;
  select(my $ready = $bits, undef, undef, 0.002) if @held;
  @held = grep { !(defined $ready && vec $ready, fileno($_), 1) } @held;
  while (@held < $most) {
    # Nonblocking, so that a full backlog returns EAGAIN.
    socket my $socket, AF_UNIX, 5 | 2048, 0 or last;
    connect $socket, $address or last;
    push @held, $socket;
    $opened++;
  }
  $peak = @held if @held > $peak;
  say_value('holding', scalar @held) if $peak == @held;
}
say_value('opened', $opened);
say_value('peak', $peak);
