//! What a homeserver is told before it starts: flags over `MISSIVE_…` variables over a TOML file over defaults.
//!
//! Every value is checked here, once: whoever holds a [`Config`] need not ask again.

mod assignment;
mod database_url;
mod environment;
mod error;
mod file;
mod flags;
mod keys;
mod parse;
mod settings;

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use confique::{Config as _, Layer as _};
use ipnet::IpNet;

pub use database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use error::ConfigError;
pub use flags::Flags;
pub use keys::known_variables;
pub use settings::{
    Database, Federation, Limits, Log, LogFormat, Registration, RegistrationMode, RemoteDirectory, Retention,
};

use settings::{Settings, SettingsLayer, TlsFiles};

/// A checked configuration. The keys and what each is for: [`template`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The name in every address of this server: a DNS name with an optional `:port`.
    pub server_name: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the data is.
    pub database_url: DatabaseUrl,
    /// What belongs to this one process: the lock, and by default the database and the master key.
    pub data_dir: PathBuf,
    /// The key that seals the server's own secrets in the database.
    pub master_key_file: PathBuf,
    /// How the database is kept.
    pub database: Database,
    /// How long undelivered messages are kept.
    pub retention: Retention,
    /// Who may make an account.
    pub registration: Registration,
    /// Other servers.
    pub federation: Federation,
    /// The certificate and key to serve HTTPS with; without it, plain HTTP.
    pub tls: Option<Tls>,
    /// What one source, account or socket may ask for.
    pub limits: Limits,
    /// Where `/metrics` is served, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How and how much is logged.
    pub log: Log,
}

/// The files HTTPS is served from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert_file: PathBuf,
    /// The certificate's private key, PEM.
    pub key_file: PathBuf,
}

impl Config {
    /// Reads the flags, this process's environment and the file they name.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        Self::load_from(flags, std::env::vars_os())
    }

    /// As [`Config::load`], with the environment given.
    pub fn load_from(
        flags: Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let environment = environment::read(environment)?;
        let path = flags.config.clone().or(environment.config_file);
        let file = match &path {
            Some(path) => file::load(path)?,
            None => SettingsLayer::empty(),
        };
        let merged = flags
            .into_layer()?
            .with_fallback(environment.layer)
            .with_fallback(file)
            .with_fallback(SettingsLayer::default_values());
        let settings = Settings::from_layer(merged).map_err(|error| ConfigError::Conflict(error.to_string()))?;
        Self::check(settings, path.as_deref())
    }

    /// Fills in what depends on other keys, and refuses keys that contradict each other.
    fn check(settings: Settings, file: Option<&Path>) -> Result<Self, ConfigError> {
        if settings.metrics_listen == Some(settings.listen) && settings.listen.port() != 0 {
            let text = "the same address as listen: give the metrics a port of their own";
            return Err(conflict(file, "metrics_listen", text));
        }
        let tls = both_or_neither(settings.tls, file)?;
        let data_dir = settings.data_dir;
        Ok(Self {
            server_name: settings.server_name,
            listen: settings.listen,
            database_url: settings.database_url.unwrap_or_else(|| DatabaseUrl::Sqlite(data_dir.join("homeserver.db"))),
            master_key_file: settings.master_key_file.unwrap_or_else(|| data_dir.join("master.key")),
            data_dir,
            database: settings.database,
            retention: settings.retention,
            registration: settings.registration,
            federation: settings.federation,
            tls,
            limits: settings.limits,
            metrics_listen: settings.metrics_listen,
            trusted_proxies: settings.trusted_proxies,
            log: settings.log,
        })
    }
}

/// The commented example file: every key, its default and why it exists.
pub fn template() -> String {
    confique::toml::template::<Settings>(confique::toml::FormatOptions::default())
}

fn both_or_neither(files: TlsFiles, file: Option<&Path>) -> Result<Option<Tls>, ConfigError> {
    let (key, text) = match (files.cert_file, files.key_file) {
        (None, None) => return Ok(None),
        (Some(cert_file), Some(key_file)) => return Ok(Some(Tls { cert_file, key_file })),
        (Some(_), None) => ("tls.cert_file", "tls.key_file is missing: set both, or neither for plain HTTP"),
        (None, Some(_)) => ("tls.key_file", "tls.cert_file is missing: set both, or neither for plain HTTP"),
    };
    Err(conflict(file, key, text))
}

fn conflict(file: Option<&Path>, key: &str, text: &str) -> ConfigError {
    ConfigError::Conflict(format!("{key}{}: {text}", file::position(file, key)))
}
