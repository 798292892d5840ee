# Root with a secret in its session keyring starts a command: keyring.pl outside COMMAND…
# In the command: keyring.pl inside|control
use strict;
use warnings;
use Attack;

use constant { JOIN => 1, SEARCH => 10, READ => 11, SESSION => -3 };
my ($where, @command) = @ARGV;
my ($type, $name, $other) = ("user\0", "skep-attack\0", "skep-attack-added\0");

if ($where eq 'outside') {
  sys('keyctl', JOIN, 0);
  my $secret = 'honey';
  my $key = sys('add_key', $type, $name, $secret, length $secret, SESSION);
  die 'add_key: ' . errno_name($key) . "\n" if $key < 0;
  # All permissions for the possessor, as in login shells.
  $| = 1;
  my @self = ('perl', '-I', $INC{'Attack.pm'} =~ s{/[^/]*$}{}r, $0, 'control');
  system @self;
  system @command;
  say_value('added', found($other));
  say_value('kept', found($name));
} else {
  say_value($where, found($name));
  if ($where eq 'inside') {
    my $added = 'wax';
    sys('add_key', $type, $other, $added, length $added, SESSION);
  }
}

sub found {
  my ($wanted) = @_;
  my $id = sys('keyctl', SEARCH, SESSION, $type, $wanted, 0);
  return 'not found' if $id < 0;
  my $text = "\0" x 64;
  my $length = sys('keyctl', READ, $id, $text, 64);
  return $length < 0 ? 'found, ' . errno_name($length) : 'found: ' . substr $text, 0, $length;
}
