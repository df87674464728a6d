//! The keys themselves. The doc comments are the text of `config/missive.example.toml`.

// They are read in a TOML file, where backticks and intra-doc links mean nothing.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use clap::ValueEnum;
use confique::Config;
use ipnet::IpNet;
use missive_wire::ServerName;
use serde::Deserialize;

use super::{DatabaseUrl, parse};
use crate::model::ServerPattern;

pub(super) type SettingsLayer = <Settings as Config>::Layer;

/// The configuration of a Missive homeserver: every key, its default, and why it exists.
///
/// With no file at all, `homeserver` serves localhost:8080 from ./data. Take out
/// the `#` before a key to change it, and start with `homeserver --config FILE`.
///
/// What is set in several places is taken from the first of: command line,
/// environment, this file. The variable of a key is MISSIVE_ and the key in
/// capitals, with `__` for the dot: MISSIVE_DATABASE_URL, MISSIVE_LIMITS__ENABLED.
/// Lists are written `a,b` there, and maps `name=value,name=value`. With _FILE at its
/// end, the variable names a file that holds the value: MISSIVE_DATABASE_URL_FILE.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub(super) struct Settings {
    /// The name in every address of this server (`ada@example.org`): a DNS name in
    /// lower case, with `:port` if clients do not reach it on 443. It is stored at
    /// the first start and cannot be changed afterwards: addresses, sessions and
    /// signatures all name it.
    #[config(default = "localhost:8080", validate = parse::server_name)]
    pub(super) server_name: String,

    /// The address and port clients connect to. 127.0.0.1 is reached only from this
    /// machine, which is right behind a proxy; 0.0.0.0 or [::] from everywhere, which
    /// without `tls` sends passwords in the clear.
    #[config(default = "127.0.0.1:8080", deserialize_with = parse::address)]
    pub(super) listen: SocketAddr,

    /// Where accounts, public keys and undelivered messages are:
    /// `sqlite://path/to/file.db` for one server, or
    /// `postgres://user:password@host/database` for production. A URL with a
    /// password is better kept in a file: MISSIVE_DATABASE_URL_FILE.
    ///
    /// Default: the file homeserver.db in `data_dir`.
    pub(super) database_url: Option<DatabaseUrl>,

    /// The directory of this one server, created at the first start. A running
    /// server locks it, so that two can never work on one embedded database.
    #[config(default = "./data", validate = parse::path)]
    pub(super) data_dir: PathBuf,

    /// The key that seals the server's signing keys in the database. Created at the
    /// first start; replicas on one database share it. Back it up, apart from the
    /// database: without it the server does not start on an existing database.
    ///
    /// Default: the file master.key in `data_dir`.
    #[config(validate = parse::path)]
    pub(super) master_key_file: Option<PathBuf>,

    /// Where /metrics is served, for Prometheus: an address of its own, because the
    /// numbers are nobody else's business. Keep it out of reach of the internet.
    ///
    /// Default: nowhere.
    #[config(deserialize_with = parse::address)]
    pub(super) metrics_listen: Option<SocketAddr>,

    /// The networks of the proxies in front of this server, like ["10.0.0.0/8"]. Only
    /// from them is X-Forwarded-For believed. Without the proxy's network here, all
    /// clients count as one source and share its limits; with too wide a network,
    /// anyone in it can pretend to be any source and escape them.
    #[config(default = [], deserialize_with = parse::networks)]
    pub(super) trusted_proxies: Vec<IpNet>,

    /// How the database is kept.
    #[config(nested)]
    pub(super) database: Database,

    /// How long undelivered messages are kept.
    #[config(nested)]
    pub(super) retention: Retention,

    /// Who may make an account.
    #[config(nested)]
    pub(super) registration: Registration,

    /// Other servers.
    #[config(nested)]
    pub(super) federation: Federation,

    /// Files to serve HTTPS with: both or neither. Without them the server speaks plain
    /// HTTP, for a proxy on the same machine or a private network to encrypt.
    #[config(nested)]
    pub(super) tls: TlsFiles,

    /// What one source (an IPv4 address, or the /64 of an IPv6 one), account or socket
    /// may ask for. A limit that is too low makes clients wait and try again; nothing is lost.
    #[config(nested)]
    pub(super) limits: Limits,

    /// What the server says on standard error. Never content, tokens, passwords or keys.
    #[config(nested)]
    pub(super) log: Log,
}

/// How the database is kept.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Database {
    /// Whether the server brings the tables up to date when it starts. In production
    /// set it to false and run `missivectl migrate run` as a step of the deployment:
    /// then a new version never changes tables under an old one unasked, and a server
    /// on tables of another version refuses to start.
    #[config(default = true)]
    pub auto_migrate: bool,
}

/// How long undelivered messages are kept.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Retention {
    /// How long a message waits for its receiver before it is deleted and its sender told
    /// that it expired, in seconds (30 days). Only time that a server ran counts, whatever
    /// the date says. Too low, and whoever is away for a while loses messages; too high, and
    /// those of abandoned accounts fill the disk. Replicas on one database share the value.
    #[config(default = 2_592_000, validate(*message_lifetime_seconds > 0, "write at least 1"))]
    pub message_lifetime_seconds: u32,
}

/// Who may make an account.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Registration {
    /// "open" (anyone who reaches the server), "invite" (whoever holds an invitation;
    /// this version issues none, so that it means nobody) or "closed" (nobody). "open"
    /// on the internet invites strangers to use your disk and your server's good name.
    #[config(default = "open")]
    pub mode: RegistrationMode,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// Anyone who reaches the server.
    Open,
    /// Whoever holds an invitation; as none are issued yet, nobody.
    Invite,
    /// Nobody.
    Closed,
}

/// Other servers.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Federation {
    /// Whether messages go to and come from other servers. They find this one, and its
    /// keys, at its name; see docs/federation.md for DNS, TLS and firewalls. false keeps
    /// all messages inside, and hides the keys, too.
    #[config(default = false)]
    pub enabled: bool,

    /// Where other servers reach this one, like `https://chat.example.org`, if not at
    /// `https://` and `server_name`. They read it in the file
    /// /.well-known/missive/server, which they always ask `server_name` itself for.
    /// With a wrong one, they reach nobody.
    ///
    /// Default: `https://` and `server_name`.
    #[config(validate = parse::base_url)]
    pub base_url: Option<String>,

    /// Where to connect for a server instead of asking its own name, like
    /// { "example.org" = "https://10.0.0.5:8448" }. What stands here is trusted: the address
    /// may be a private one, and http:// sends in the clear. With https:// and an IP address,
    /// the certificate must be for the server's name; with a name, for that name. A wrong
    /// URL cuts that server off.
    #[config(default = {}, validate = parse::base_urls)]
    pub resolve: BTreeMap<ServerName, String>,

    /// If not empty, the only servers spoken to, like ["two.example", "*.org.example"]:
    /// a name means it on any port, "two.example:8448" on that port only, "*." every name
    /// below, not the name itself. A missing name is cut off.
    #[config(default = [])]
    pub allow: Vec<ServerPattern>,

    /// Servers never spoken to, whatever `allow` says; written alike. A name too many cuts
    /// off its users from yours.
    #[config(default = [])]
    pub deny: Vec<ServerPattern>,

    /// What other servers may find out about who is here. "exact": whether there is an
    /// account of a whole name, which they must know to write to anyone. "prefix": also
    /// which names begin alike, so that their users find yours as they type, and anyone
    /// who runs a server can list them all.
    #[config(default = "exact")]
    pub directory: RemoteDirectory,

    /// Private networks in which other servers may be reached, like ["10.20.0.0/16"].
    /// All others stay refused, so that no name on the internet can make this server
    /// call machines inside yours: keep the networks small.
    #[config(default = [], deserialize_with = parse::networks)]
    pub allow_networks: Vec<IpNet>,

    /// Certificates (PEM) of authorities to trust besides the system's, for servers
    /// inside an organisation. Whoever holds such an authority's key can pose as any
    /// server.
    ///
    /// Default: none.
    #[config(validate = parse::path)]
    pub ca_file: Option<PathBuf>,
}

/// What other servers may find out about who is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemoteDirectory {
    /// Whether there is an account of a whole name.
    Exact,
    /// Also which names begin alike.
    Prefix,
}

/// Files to serve HTTPS with.
#[derive(Debug, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub(super) struct TlsFiles {
    /// The certificate and its intermediates, PEM. It must be valid for
    /// `server_name`, or clients refuse to connect.
    #[config(validate = parse::path)]
    pub(super) cert_file: Option<PathBuf>,

    /// The certificate's private key, PEM, readable by nobody else.
    #[config(validate = parse::path)]
    pub(super) key_file: Option<PathBuf>,
}

/// What one source, account or socket may ask for.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Limits {
    /// false turns every limit below off, for a load test on a closed network. Anywhere
    /// else, one client could then guess passwords and exhaust the server unhindered.
    #[config(default = true)]
    pub enabled: bool,

    /// New accounts an hour from one source. Too low stops an office behind one
    /// address from signing up in a morning; too high lets one machine fill the
    /// directory.
    #[config(default = 20, validate = parse::positive)]
    pub registrations_per_hour: u32,

    /// Log-ins a minute from one source, right or wrong. Each costs 19 MiB and some
    /// 20 ms of processor.
    #[config(default = 30, validate = parse::positive)]
    pub logins_per_minute: u32,

    /// Wrong passwords for one name from one source before it is locked out.
    #[config(default = 10, validate = parse::positive)]
    pub login_failures: u32,

    /// How long such a lock-out lasts. With `login_failures` it sets how fast a
    /// password can be guessed.
    #[config(default = 60, validate = parse::positive)]
    pub lockout_seconds: u32,

    /// Key bundles one account, of this server or another, may claim a minute. Each claim
    /// uses up one of the receiver's one-time keys; too low delays first messages to many
    /// people.
    #[config(default = 60, validate = parse::positive)]
    pub claims_per_minute: u32,

    /// Key bundles of one account that one other may claim a minute: what one person
    /// can drain of another's one-time keys.
    #[config(default = 30, validate = parse::positive)]
    pub claims_per_target_per_minute: u32,

    /// Key bundles one other homeserver may claim a minute for all its users together. Too
    /// low delays first messages from a large server; too high lets one take everybody's
    /// one-time keys, but for the reserve.
    #[config(default = 600, validate = parse::positive)]
    pub peer_claims_per_minute: u32,

    /// The same for all homeservers below one registered domain together.
    #[config(default = 1_200, validate = parse::positive)]
    pub domain_claims_per_minute: u32,

    /// One-time keys of each kind that every device keeps for users of this server. Other
    /// servers get bundles without a one-time key when no more are left. Too low lets one
    /// of them take those too; too high gives its users such bundles all the time.
    #[config(default = 20)]
    pub remote_claims_reserve: u32,

    /// Names a minute that all homeservers below one registered domain together may look
    /// up here. Too low hides your users from a large server's search; too high lets one
    /// try out many names.
    #[config(default = 600, validate = parse::positive)]
    pub domain_searches_per_minute: u32,

    /// Directory searches a minute for one account. Too high lets a member copy the
    /// whole directory; too low makes search-as-you-type stutter.
    #[config(default = 120, validate = parse::positive)]
    pub searches_per_minute: u32,

    /// Requests a second from one source, over all routes but those of other homeservers.
    #[config(default = 50, validate = parse::positive)]
    pub requests_per_second: u32,

    /// Requests a second from one other homeserver; it gathers up to 100 messages in one.
    /// Too low delays messages of a large server; too high lets it take the processor.
    #[config(default = 1000, validate = parse::positive)]
    pub peer_requests_per_second: u32,

    /// The same for all homeservers below one registered domain together: names below it
    /// cost their owner nothing.
    #[config(default = 2000, validate = parse::positive)]
    pub domain_requests_per_second: u32,

    /// Requests a minute from one source that claim to be another homeserver's and cannot
    /// be shown to be. Too low shuts out servers that share an address with a stranger;
    /// too high lets a stranger make this server look for many that do not exist.
    #[config(default = 60, validate = parse::positive)]
    pub peer_failures_per_minute: u32,

    /// Frames a second on one WebSocket. Too low slows a client that re-sends its
    /// outbox after an outage; too high lets one client take the server's processor.
    #[config(default = 2000, validate = parse::positive)]
    pub frames_per_second: u32,

    /// Passwords waiting to be hashed, over all clients; more are told to try again.
    /// A long queue makes log-ins time out instead.
    #[config(default = 64, validate = parse::positive)]
    pub password_queue: u32,

    /// Undelivered messages and statuses held for one account; one sender may fill a tenth
    /// of it, one other homeserver half. What finds no room is refused for now and stays with its sender.
    #[config(default = 100_000, validate = parse::positive)]
    pub pending_messages: u64,

    /// Bytes of undelivered messages held for one account (512 MiB), a tenth of it for one
    /// sender, half for one other homeserver. Times the number of accounts, it is what the disk must hold at the worst.
    #[config(default = 536_870_912, validate = parse::positive)]
    pub pending_bytes: u64,

    /// Log-ins of one account kept at a time. Too low logs devices out.
    #[config(default = 64, validate = parse::positive)]
    pub sessions_per_account: u32,

    /// WebSockets open at a time. Each needs a file descriptor (`ulimit -n`, in
    /// systemd LimitNOFILE) and some memory; more are refused.
    #[config(default = 20_000, validate = parse::positive)]
    pub connections: u32,
}

/// What the server says of itself.
#[derive(Debug, Clone, Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Log {
    /// "text" for people, or "json", one object a line, for machines.
    #[config(default = "text")]
    pub format: LogFormat,

    /// error, warn, info, debug or trace, also by module: "info,homeserver::ws=debug".
    /// "debug" writes several lines a message and slows a busy server.
    #[config(default = "info", validate = parse::filter)]
    pub level: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
