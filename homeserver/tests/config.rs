//! The configuration: what is read from where, and what is refused with which words.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{ffi::OsString, fs, path::PathBuf};

use homeserver::config::{
    Config, ConfigError, DatabaseUrl, Flags, LogFormat, RegistrationMode, known_variables, template,
};
use tempfile::TempDir;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/missive.example.toml");

/// A directory with a configuration file in it, and an environment.
struct Machine {
    dir: TempDir,
    flags: Flags,
    environment: Vec<(OsString, OsString)>,
}

impl Machine {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), flags: Flags::default(), environment: Vec::new() }
    }

    fn file(mut self, text: &str) -> Self {
        self.flags.config = Some(self.write("missive.toml", text));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn variable_file(self, name: &str, text: &str) -> Self {
        let path = self.write(name, text);
        self.variable(name, path.to_str().unwrap())
    }

    fn set(mut self, setting: &str) -> Self {
        self.flags.set.push(setting.to_owned());
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load_from(self.flags.clone(), self.environment.clone())
    }

    /// What the refusal says, with the directory's name taken out.
    fn refusal(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        text.replace(self.dir.path().to_str().unwrap(), "DIR")
    }
}

#[test]
fn nothing_said_is_a_working_configuration() {
    let config = Machine::new().load().unwrap();
    assert_eq!(config.server_name, "localhost:8080");
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.database_url.to_string(), "sqlite://./data/homeserver.db");
    assert_eq!(config.master_key_file, PathBuf::from("./data/master.key"));
    assert_eq!(config.registration.mode, RegistrationMode::Open);
    assert_eq!(config.federation.base_url, None);
    assert!(config.database.auto_migrate && config.limits.enabled && config.tls.is_none());
}

#[test]
fn the_example_file_is_the_template() {
    assert_eq!(fs::read_to_string(EXAMPLE).unwrap(), template(), "write it anew with --print-config-template");
}

#[test]
fn the_template_with_its_keys_taken_in_changes_nothing() {
    let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" = ");
    let enabled: Vec<_> = template()
        .lines()
        .map(|line| line.strip_prefix('#').filter(|key| is_key(key)).unwrap_or(line).to_owned())
        .collect();
    assert!(enabled.iter().filter(|line| is_key(line)).count() > 20);
    let config = Machine::new().file(&enabled.join("\n")).load().unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Machine::new().load().unwrap()));
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let mut machine = Machine::new()
        .file("server_name = 'file.example'\n[log]\nformat = 'json'\nlevel = 'warn'\n[limits]\nconnections = 1")
        .variable("MISSIVE_SERVER_NAME", "variable.example")
        .variable("MISSIVE_LOG__LEVEL", "debug");
    let config = machine.load().unwrap();
    assert_eq!((config.server_name.as_str(), config.log.level.as_str()), ("variable.example", "debug"));
    assert_eq!((config.log.format, config.limits.connections), (LogFormat::Json, 1));

    machine.flags.server_name = Some("flag.example".into());
    machine = machine.set("server_name=set.example").set("limits.connections=2").set("limits.connections=3");
    let config = machine.load().unwrap();
    assert_eq!((config.server_name.as_str(), config.limits.connections), ("flag.example", 3));
}

#[test]
fn the_data_directory_carries_the_database_and_the_master_key() {
    let machine = Machine::new().variable("MISSIVE_DATA_DIR", "/srv/missive");
    let config = machine.load().unwrap();
    assert_eq!(config.database_url.to_string(), "sqlite:///srv/missive/homeserver.db");
    assert_eq!(config.master_key_file, PathBuf::from("/srv/missive/master.key"));
}

#[test]
fn variables_hold_lists_maps_and_paths() {
    let config = Machine::new()
        .variable("MISSIVE_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")
        .variable("MISSIVE_FEDERATION__RESOLVE", "b.example=https://10.0.0.5:8448,c.example=http://[::1]:80")
        .variable("MISSIVE_FEDERATION__ALLOW", "b.example,*.c.example")
        .variable("MISSIVE_FEDERATION__DENY", "")
        .variable("MISSIVE_FEDERATION__BASE_URL", "https://chat.example.org:8448")
        .variable("MISSIVE_MASTER_KEY_FILE", "/run/secrets/master_key")
        .load()
        .unwrap();
    let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "127.0.0.1/32"]);
    let resolved: Vec<_> = config.federation.resolve.values().collect();
    assert_eq!(resolved, ["https://10.0.0.5:8448", "http://[::1]:80"]);
    let allowed: Vec<_> = config.federation.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["b.example", "*.c.example"]);
    assert!(config.federation.deny.is_empty());
    assert_eq!(config.federation.base_url.as_deref(), Some("https://chat.example.org:8448"));
    assert_eq!(config.master_key_file, PathBuf::from("/run/secrets/master_key"));
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_printed() {
    let url = "postgres://missive:hunter2@db/missive";
    let config = Machine::new().variable_file("MISSIVE_DATABASE_URL_FILE", &format!("{url}\n")).load().unwrap();
    let DatabaseUrl::Postgres(secret) = &config.database_url else { panic!("{}", config.database_url) };
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret), url);
    let flags = Flags { database_url: Some(url.into()), ..Flags::default() };
    for printed in [format!("{config:?}"), config.database_url.to_string(), format!("{flags:?}")] {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn refusals_of_the_file_name_the_line_and_the_fix() {
    let cases = [
        "listen = '127.0.0.1:8080'\nlisten_on = 'x'",
        "[limits]\nserches_per_minute = 1",
        "mode = 'open'",
        "[registration]\nmode = 'opne'",
        "server_name = 'Example.ORG'",
        "listen = 'localhost'",
        "[limits]\n\nconnections = 0",
        "[retention]\nmessage_lifetime_seconds = 0",
        "[limits]\nconnections = 'many'",
        "trusted_proxies = ['10.0.0.0/8', 'everyone']",
        "[federation.resolve]\n'b.example' = 'https://b.example/path'",
        "[federation]\ndeny = ['*two.example']",
        "[federation]\nbase_url = 'http://chat.example.org'",
        "[federation]\nbase_url = 'https://chat.example.org/'",
        "[federation]\nbase_url = 'https://admin@chat.example.org'",
        "[log]\nlevel = 'homeserver=loud'",
        "metrics_listen = '127.0.0.1:8080'",
        "[tls]\ncert_file = 'cert.pem'",
        "server_name = 'a.example'\nserver_name = 'b.example'",
        "data_dir = ''",
        "database_url = 'mysql://root:hunter2@db/missive'",
        "database_url = 'postgres://root:hunter2@db/missive",
    ];
    let refusals: Vec<_> = cases.iter().map(|text| Machine::new().file(text).refusal()).collect();
    assert!(!refusals.concat().contains("hunter2"));
    insta::assert_snapshot!(refusals.join("\n\n"));
}

#[test]
fn refusals_of_variables_and_flags_name_them_and_the_fix() {
    let both = Machine::new().variable("MISSIVE_SERVER_NAME", "a").variable_file("MISSIVE_SERVER_NAME_FILE", "a");
    let cases = [
        Machine::new().variable("MISSIVE_LIMITS_ENABLED", "false"),
        Machine::new().variable("MISSIVE_DATABSE_URL_FILE", "/x"),
        Machine::new().variable("MISSIVE_SOMETHING_ELSE", "1"),
        Machine::new().variable("MISSIVE_LIMITS__ENABLED", "no"),
        Machine::new().variable("MISSIVE_LIMITS__CONNECTIONS", "-1"),
        Machine::new().variable("MISSIVE_REGISTRATION__MODE", ""),
        Machine::new().variable("MISSIVE_FEDERATION__RESOLVE", "b.example"),
        Machine::new().variable("MISSIVE_TLS__KEY_FILE", "key.pem"),
        Machine::new().variable_file("MISSIVE_DATABASE_URL_FILE", "hunter2"),
        Machine::new().variable("MISSIVE_DATABASE_URL", "sqlite::memory:"),
        Machine::new().variable("MISSIVE_DATABASE_URL_FILE", "/nowhere/database_url"),
        Machine::new().variable("MISSIVE_CONFIG", "/nowhere/missive.toml"),
        both,
        Machine::new().set("limits.conections=1"),
        Machine::new().set("limits.connections"),
        Machine::new().set("limits.connections=0"),
    ];
    let refusals: Vec<_> = cases.iter().map(Machine::refusal).collect();
    assert!(!refusals.concat().contains("hunter2"));
    insta::assert_snapshot!(refusals.join("\n\n"));
}

#[test]
fn every_known_variable_is_understood() {
    let known = known_variables();
    assert!(known.contains(&"MISSIVE_DATABASE__AUTO_MIGRATE".to_owned()));
    for name in known {
        if let Err(error) = Machine::new().variable(&name, "").load() {
            assert!(!matches!(error, ConfigError::UnknownVariable { .. }), "{error}");
        }
    }
}

#[test]
fn variables_of_other_programs_and_of_tests_are_left_alone() {
    assert!(
        Machine::new()
            .variable("MISSIVES", "1")
            .variable("MISSIVE_TEST_X", "1")
            .variable("MISSIVE_HOME", "/x")
            .load()
            .is_ok()
    );
}
