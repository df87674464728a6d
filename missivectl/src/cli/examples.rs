//! What each `--help` ends with.

pub(super) const ALL: &str = "\
Examples:
  Who is here
      missivectl account list

  Shut someone out, now
      missivectl account revoke mallory

  Replace the key that other servers know this one by
      missivectl federation key rotate

  Prepare a database, as a step of a deployment
      MISSIVE_DATABASE_URL_FILE=/run/secrets/database_url missivectl migrate run

  Is all well? For a monitor, with numbers
      missivectl --data-dir /srv/missive health --json

Exit codes:
  0  it is done
  1  it failed
  2  the command line or the configuration is wrong
  3  there is no such account, key or server
  4  the database cannot be reached, is not migrated, or no homeserver has run on it yet
  5  health: something is wrong";

pub(super) const ACCOUNT: &str = "\
Examples:
  missivectl account list --search a
  missivectl account show ada
  missivectl account revoke mallory
  missivectl account restore mallory";

pub(super) const ACCOUNT_LIST: &str = "\
Examples:
  The first 100 accounts
      missivectl account list

  Names that begin with `sales.`
      missivectl account list --search sales. --limit 1000

  The names of the revoked accounts
      missivectl account list --json --limit 100000 | jq -r '.accounts[] | select(.revokedAt) | .name'";

pub(super) const ACCOUNT_SHOW: &str = "\
Examples:
  missivectl account show ada
  missivectl account show ada@chat.example.org --json";

pub(super) const ACCOUNT_REVOKE: &str = "\
Examples:
  missivectl account revoke mallory

  In a script
      missivectl account revoke mallory --yes --json";

pub(super) const ACCOUNT_RESTORE: &str = "\
Examples:
  missivectl account restore mallory";

pub(super) const TOKEN: &str = "\
Examples:
  missivectl token purge
  missivectl token purge --account ada";

pub(super) const TOKEN_PURGE: &str = "\
Examples:
  How many expired sessions are there?
      missivectl token purge --dry-run

  Log all devices of one account out, as after a theft
      missivectl token purge --account ada";

pub(super) const FEDERATION: &str = "\
Examples:
  missivectl federation key list
  missivectl federation key rotate
  missivectl federation recovery-key create --output /media/stick/recovery.key
  missivectl federation peer check two.example";

pub(super) const FEDERATION_KEY: &str = "\
Examples:
  missivectl federation key list
  missivectl federation key rotate
  missivectl federation key revoke 1f8b3c5d7e9a0b2c --recovery-key /media/stick/recovery.key";

pub(super) const FEDERATION_KEY_LIST: &str = "\
Examples:
  missivectl federation key list

  The id of the key that signs
      missivectl federation key list --json | jq -r '.keys[] | select(.state == \"signing\") | .keyId'";

pub(super) const FEDERATION_KEY_ROTATE: &str = "\
Examples:
  missivectl federation key rotate

  At a time of one's own
      missivectl federation key rotate --valid-from 2027-01-01T00:00:00Z

  When the signing keys can no longer sign for the next
      missivectl federation key rotate --recovery-key /media/stick/recovery.key";

pub(super) const FEDERATION_KEY_REVOKE: &str = "\
Examples:
  missivectl federation key revoke 1f8b3c5d7e9a0b2c --recovery-key /media/stick/recovery.key

  In a script
      missivectl federation key revoke 1f8b3c5d7e9a0b2c --recovery-key recovery.key --yes --json";

pub(super) const FEDERATION_RECOVERY_KEY: &str = "\
Examples:
  missivectl federation recovery-key create --output /media/stick/recovery.key";

pub(super) const FEDERATION_RECOVERY_KEY_CREATE: &str = "\
Examples:
  missivectl federation recovery-key create --output /media/stick/recovery.key";

pub(super) const FEDERATION_PEER: &str = "\
Examples:
  missivectl federation peer list
  missivectl federation peer check two.example
  missivectl federation peer show two.example
  missivectl federation peer accept two.example";

pub(super) const FEDERATION_PEER_LIST: &str = "\
Examples:
  missivectl federation peer list

  The servers that cannot be reached
      missivectl federation peer list --json | jq -r '.peers[] | select(.failingSince) | .server'";

pub(super) const FEDERATION_PEER_SHOW: &str = "\
Examples:
  missivectl federation peer show two.example

  The public keys to compare with its admin, by telephone
      missivectl federation peer show two.example --json | jq -r '.unexplained.keys[].publicKey'";

pub(super) const FEDERATION_PEER_ACCEPT: &str = "\
Examples:
  missivectl federation peer accept two.example

  In a script
      missivectl federation peer accept two.example --yes --json";

pub(super) const FEDERATION_PEER_CHECK: &str = "\
Examples:
  missivectl federation peer check two.example

  Which step fails, and why
      missivectl federation peer check two.example --json | jq '.steps[] | select(.ok == false)'";

pub(super) const FEDERATION_PEER_FORGET: &str = "\
Examples:
  missivectl federation peer forget two.example

  In a script
      missivectl federation peer forget two.example --yes --json";

pub(super) const MIGRATE: &str = "\
Examples:
  missivectl migrate status
  missivectl migrate run";

pub(super) const MIGRATE_STATUS: &str = "\
Examples:
  missivectl migrate status

  Is anything pending?
      missivectl migrate status --json | jq .pending";

pub(super) const MIGRATE_RUN: &str = "\
Examples:
  missivectl migrate run

  Before the servers start, with database.auto_migrate = false
      MISSIVE_DATABASE_URL_FILE=/run/secrets/database_url missivectl migrate run";

pub(super) const HEALTH: &str = "\
Examples:
  The database, and the server of these settings
      missivectl health

  With numbers: accounts, sessions, pending messages
      missivectl health --json

  Only the server, from anywhere; as a container's health check
      missivectl health --url http://127.0.0.1:8080";
