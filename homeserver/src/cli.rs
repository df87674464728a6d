//! The homeserver's command line.

use clap::Parser;

use crate::config::Flags;

/// Runs a Missive homeserver.
///
/// With no arguments it serves localhost:8080 from ./data, and creates its keys and its database there at the first
/// start. Settings are taken from the first of: these flags, `MISSIVE_…` environment variables, the file given with
/// --config, the defaults. It stops cleanly on Ctrl-C or SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "homeserver", version, after_long_help = EXAMPLES)]
pub struct Cli {
    /// Print the commented example configuration (every key, its default, and why it exists) and exit
    #[arg(long)]
    pub print_config_template: bool,
    /// Where the configuration and the data are.
    #[command(flatten)]
    pub flags: Flags,
}

const EXAMPLES: &str = "\
Examples:
  Try it out: the server on http://localhost:8080, its data in ./data
      homeserver

  Begin a configuration file and start with it
      homeserver --print-config-template > missive.toml
      homeserver --config missive.toml

  On PostgreSQL, behind a proxy on the same machine, the URL with its password in a file
      MISSIVE_DATABASE_URL_FILE=/run/secrets/database_url \\
      MISSIVE_TRUSTED_PROXIES=127.0.0.1 homeserver --server-name chat.example.org

  Any key of the configuration, for this run only
      homeserver --set limits.searches_per_minute=60 --set federation.allow=example.org

Accounts, tokens and migrations are managed with missivectl, which takes the same settings.";
