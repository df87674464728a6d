//! What each `--help` ends with.

pub(super) const ALL: &str = "\
Examples:
  missive register alice --server https://one.example
  missive send bob@two.example 'Hello, Bob'
  git log -1 | missive send bob@two.example
  missive listen --count 1 --timeout 60 --json
  missive history bob@two.example
  missive chat
  missive safety-number bob@two.example
  missive status --json

Who is meant: a name on the same homeserver, name@server, or a petname of yours that nobody else has.

Exit codes:
  0  it is done
  1  something else failed
  2  the command line is wrong
  3  authentication: the log-in is over, or the password wrong
  4  the homeserver, or the receiver's, cannot be reached
  5  refused or undeliverable, or the safety numbers differ
  6  the local storage cannot be used, or another process has it
  7  out of time

NO_COLOR=1 leaves colours out. MISSIVE_LOG=debug tells on stderr what happens underneath.";

pub(super) const REGISTER: &str = "\
Examples:
  Ask for everything
      missive register

  In a script
      missive register alice --server https://one.example --password-file pw --key-file alice.key --json";

pub(super) const LOGIN: &str = "\
Examples:
  As the account that is here
      missive login

  On a new computer, where the keys of the old one are lost
      missive login alice --server https://one.example --start-over";

pub(super) const LOGOUT: &str = "\
Examples:
  missive logout
  missive login

  A computer was stolen: end its log-in too
      missive logout --everywhere";

pub(super) const IDENTITY: &str = "\
Examples:
  missive identity

  The keys are lost: make new ones
      missive identity --start-over

  In a script
      missive identity --start-over --yes --password-file pw --json";

pub(super) const SEARCH: &str = "\
Examples:
  missive search al
  missive search al --json | jq -r 'select(.type == \"account\").address'";

pub(super) const CONTACTS: &str = "\
Examples:
  missive contacts
  missive contacts add bob@two.example --name Bob
  missive contacts block mallory@two.example
  missive contacts --json | jq -r 'select(.verified).address'";

pub(super) const CONTACTS_ADD: &str = "\
Examples:
  missive contacts add bob
  missive contacts add bob@two.example --name 'Bob from work'";

pub(super) const CONTACTS_REMOVE: &str = "\
Examples:
  missive contacts remove bob@two.example";

pub(super) const CONTACTS_NAME: &str = "\
Examples:
  missive contacts name bob@two.example 'Bob from work'
  missive send 'Bob from work' 'Hello'

  Take it away
      missive contacts name bob@two.example";

pub(super) const CONTACTS_VERIFY: &str = "\
Examples:
  missive safety-number bob
  missive contacts verify bob";

pub(super) const CONTACTS_UNVERIFY: &str = "\
Examples:
  missive contacts unverify bob";

pub(super) const CONTACTS_BLOCK: &str = "\
Examples:
  missive contacts block mallory@two.example

  What they have written since
      missive history mallory@two.example --hidden";

pub(super) const CONTACTS_UNBLOCK: &str = "\
Examples:
  missive contacts unblock mallory@two.example";

pub(super) const SEND: &str = "\
Examples:
  missive send bob 'Hello, Bob'
  git log -1 | missive send bob@two.example

  Wait a minute for the receiver to have it
      missive send bob 'Are you there?' --wait received --timeout 60

  Their key has changed, and you have compared the safety number
      missive send bob 'New phone?' --accept-new-identity";

pub(super) const LISTEN: &str = "\
Examples:
  missive listen --read

  The next message, for a script
      missive listen --count 1 --timeout 60 --json | jq -r 'select(.type == \"message\").text'";

pub(super) const CONVERSATIONS: &str = "\
Examples:
  missive conversations
  missive conversations --json | jq -r 'select(.unread > 0).peer'";

pub(super) const HISTORY: &str = "\
Examples:
  missive history bob
  missive history bob@two.example --limit 20 --json

  What they wrote while they were blocked
      missive history mallory@two.example --hidden";

pub(super) const SAFETY_NUMBER: &str = "\
Examples:
  missive safety-number bob

  Bob has read his digits out
      missive safety-number bob --compare '30035 44776 92869 39689 28698 76765 45825 75691 62576 84344 09180 79131'

  Accept his new key only if they are the same
      missive safety-number bob --compare \"$digits\" --accept

  What his QR code should hold
      missive safety-number bob --json | jq -r .qr";

pub(super) const STATUS: &str = "\
Examples:
  missive status

  For a monitor: the exit code is 4 where the homeserver cannot be reached, 3 where the log-in is over
      missive status --json || echo \"code $?\"";

pub(super) const ACCOUNTS: &str = "\
Examples:
  missive accounts
  missive accounts --json | jq -r 'select(.type == \"account\").address'";

pub(super) const EXPORT: &str = "\
Examples:
  missive export bob --format text
  missive export --all --output messages.jsonl

  The texts of last March
      missive export bob | jq -r 'select(.sentAt | startswith(\"2026-03\")).text'";

pub(super) const COMPLETIONS: &str = "\
Examples:
  missive completions bash > ~/.local/share/bash-completion/completions/missive
  missive completions zsh > ~/.zfunc/_missive
  missive completions fish > ~/.config/fish/completions/missive.fish";

pub(super) const MAN: &str = "\
Examples:
  missive man | man -l -
  missive man --output ~/.local/share/man/man1";

/// With the keys, which the screen's own help has too.
pub(super) fn chat() -> String {
    let examples = "\
Examples:
  Where the conversations are
      missive chat

  In one of them
      missive chat bob@two.example";
    format!("{examples}\n\n{}", crate::chat::keys::help())
}
