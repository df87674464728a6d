//! `health`: the database as it is, and the server as it answers.

mod server;

use std::time::Duration;

use homeserver::{
    app::App,
    clock::Clock,
    config::Config,
    service::{admin, health},
    store::Counts,
};
use reqwest::Url;
use serde::Serialize;

use self::server::{Question, Server};
use crate::{
    database,
    failure::{Failure, Kind},
    output::{Output, printable, table},
};

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);

const OK: &str = "ok";
const UNKNOWN: &str = "unknown";

/// Each part's state: `ok`, or what is wrong.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    healthy: bool,
    /// What was found in the database itself.
    #[serde(flatten)]
    direct: Option<Direct>,
    server: Server,
}

/// What was found in the database itself.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Direct {
    database: String,
    migrations: String,
    master_key: String,
    disk: String,
    accounts: Option<i64>,
    sessions: Option<i64>,
    pending_messages: Option<i64>,
    pending_statuses: Option<i64>,
}

/// Asks the server at a URL.
pub(super) async fn of_url(url: Url, output: Output) -> Result<(), Failure> {
    let server = Question::at(url).ask().await;
    report(&Report { healthy: server.is_healthy(), direct: None, server }, output)
}

/// Looks at the configured database, and asks the server at `listen`.
pub(super) async fn of_configured(config: Config, output: Output) -> Result<(), Failure> {
    let question = Question::configured(&config);
    let (direct, server) = tokio::join!(look(config), ask(question));
    let healthy = direct.is_healthy() && server.is_healthy();
    report(&Report { healthy, direct: Some(direct), server }, output)
}

async fn ask(question: Result<Question, Server>) -> Server {
    match question {
        Ok(question) => question.ask().await,
        Err(server) => server,
    }
}

async fn look(config: Config) -> Direct {
    let mut direct = Direct::default();
    let looked = tokio::time::timeout(PATIENCE, direct.look(config)).await;
    if looked.is_err() {
        direct.note(&format!("no answer within {} s", PATIENCE.as_secs()));
    }
    direct
}

impl Direct {
    /// Looks at one part after the other; those behind the first that is not well stay empty.
    async fn look(&mut self, config: Config) {
        if let Err(failure) = self.try_look(config).await {
            self.note(failure.message());
        }
    }

    async fn try_look(&mut self, config: Config) -> Result<(), Failure> {
        let store = database::connect(&config).await?;
        let checked = store.ping().await;
        store.close().await;
        checked?;
        self.database = OK.into();
        database::check(&config).await?;
        self.migrations = OK.into();
        let app = App::open(config, Clock::default()).await?;
        self.master_key = OK.into();
        self.disk = health::readiness(&app).await.disk;
        match admin::counts(&app).await {
            Ok(counts) => self.count(counts),
            Err(error) => self.database = error.to_string(),
        }
        database::close(&app).await;
        Ok(())
    }

    fn count(&mut self, counts: Counts) {
        let Counts { accounts, sessions, pending_messages, pending_statuses } = counts;
        (self.accounts, self.sessions) = (Some(accounts), Some(sessions));
        (self.pending_messages, self.pending_statuses) = (Some(pending_messages), Some(pending_statuses));
    }

    /// Says what is wrong with the first part that was not reached; what follows is unknown.
    fn note(&mut self, text: &str) {
        let parts = [&mut self.database, &mut self.migrations, &mut self.master_key, &mut self.disk];
        let mut left = parts.into_iter().filter(|part| part.is_empty());
        if let Some(first) = left.next() {
            text.clone_into(first);
        }
        left.for_each(|part| UNKNOWN.clone_into(part));
    }

    fn parts(&self) -> [(&'static str, &str); 4] {
        [
            ("database", &self.database),
            ("migrations", &self.migrations),
            ("master key", &self.master_key),
            ("disk", &self.disk),
        ]
    }

    fn is_healthy(&self) -> bool {
        self.parts().iter().all(|(_, state)| *state == OK)
    }

    fn numbers(&self) -> [(&'static str, Option<i64>); 4] {
        [
            ("accounts", self.accounts),
            ("sessions", self.sessions),
            ("pending messages", self.pending_messages),
            ("pending statuses", self.pending_statuses),
        ]
    }
}

fn report(report: &Report, output: Output) -> Result<(), Failure> {
    output.print(report, describe)?;
    if report.healthy {
        return Ok(());
    }
    let direct = report.direct.iter().flat_map(Direct::parts).map(|(part, state)| [part.to_owned(), state.to_owned()]);
    let wrong = direct.chain(report.server.rows()).filter(|[_, state]| state != OK && state != UNKNOWN);
    let wrong: Vec<_> = wrong.map(|[part, state]| format!("{part}: {}", printable(&state))).collect();
    Err(Failure::new(Kind::Unhealthy, format!("not healthy: {}", wrong.join("; "))))
}

fn describe(report: &Report) -> String {
    let mut rows = Vec::new();
    if let Some(direct) = &report.direct {
        rows.extend(direct.parts().map(|(part, state)| [part.to_owned(), state.to_owned()]));
    }
    rows.extend(report.server.rows());
    if let Some(direct) = &report.direct {
        let known =
            direct.numbers().into_iter().filter_map(|(what, number)| Some([what.to_owned(), number?.to_string()]));
        rows.extend(known);
    }
    let verdict = if report.healthy { "Healthy" } else { "Not healthy" };
    format!("{}\n\n{verdict}.", table(["PART", "STATE"], rows))
}
