//! The command line's part, shared by every binary that works on a homeserver's data.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use confique::Layer as _;
use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, LogFormat, RegistrationMode, assignment, keys, settings::SettingsLayer};

/// The flags that say where a homeserver's configuration and data are. What is not given comes from elsewhere.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Read this TOML file
    #[arg(long, short, env = keys::CONFIG_VARIABLE, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The name in every address of this server: a DNS name, with ":port" if it is not 443
    #[arg(long, value_name = "NAME", global = true)]
    pub server_name: Option<String>,
    /// Where clients connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub listen: Option<SocketAddr>,
    /// `sqlite://path` or `postgres://…`; others on this machine can see a flag, so give a password in
    /// `MISSIVE_DATABASE_URL_FILE` instead
    #[arg(long, value_name = "URL", global = true)]
    pub database_url: Option<SecretString>,
    /// Where the lock, and by default the database and the master key, are [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The key that seals the server's own secrets [default: master.key in the data directory]
    #[arg(long, value_name = "FILE", global = true)]
    pub master_key_file: Option<PathBuf>,
    /// Whether the server brings the database's tables up to date when it starts [default: true]
    #[arg(long, value_name = "BOOL", global = true)]
    pub database_auto_migrate: Option<bool>,
    /// Who may make an account [default: open]
    #[arg(long, value_name = "MODE", global = true)]
    pub registration_mode: Option<RegistrationMode>,
    /// Serve `/metrics` here
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub metrics_listen: Option<SocketAddr>,
    /// How log lines are written [default: text]
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
    /// What is logged: a level, or directives like "info,homeserver=debug" [default: info]
    #[arg(long, value_name = "FILTER", global = true)]
    pub log_level: Option<String>,
    /// Set any key of the configuration, as in `limits.searches_per_minute=60`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
}

impl Flags {
    /// What the flags set; a flag of its own wins over `--set`, a later `--set` over an earlier.
    pub(super) fn into_layer(self) -> Result<SettingsLayer, ConfigError> {
        let mut layer = SettingsLayer::empty();
        layer.listen = self.listen;
        layer.data_dir = self.data_dir;
        layer.master_key_file = self.master_key_file;
        layer.database.auto_migrate = self.database_auto_migrate;
        layer.registration.mode = self.registration_mode;
        layer.metrics_listen = self.metrics_listen;
        layer.log.format = self.log_format;
        let database_url = self.database_url.as_ref().map(ExposeSecret::expose_secret);
        let texts = [
            ("--server-name", "server_name", self.server_name.as_deref()),
            ("--database-url", "database_url", database_url),
            ("--log-level", "log.level", self.log_level.as_deref()),
        ];
        for (flag, key, text) in texts {
            if let Some(text) = text {
                layer = layer.with_fallback(assign(flag, key, text)?);
            }
        }
        for setting in self.set.iter().rev() {
            layer = layer.with_fallback(set(setting)?);
        }
        Ok(layer)
    }
}

fn set(setting: &str) -> Result<SettingsLayer, ConfigError> {
    let refuse = |text: String| ConfigError::Flag { flag: "--set".to_owned(), text };
    let (key, text) = setting.split_once('=').ok_or_else(|| refuse("write it `--set key=value`".to_owned()))?;
    let known = keys::all();
    if known.iter().any(|name| name == key) {
        return assign(&format!("--set {key}"), key, text);
    }
    let hint = match keys::nearest(key, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the keys are in `homeserver --print-config-template`".to_owned(),
    };
    Err(refuse(format!("unknown key `{key}`: {hint}")))
}

fn assign(flag: &str, key: &str, text: &str) -> Result<SettingsLayer, ConfigError> {
    assignment::layer(key, text).map_err(|error| ConfigError::Flag { flag: flag.to_owned(), text: error.to_string() })
}
