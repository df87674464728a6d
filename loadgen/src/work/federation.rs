//! W5: the work of W1 across two homeservers, both on one core: senders at the one, receivers at the other.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::time::sleep;

use super::{Bench, log_end, register, relay, sides};
use crate::{
    account::Account,
    cli::{Database, Workload},
    drive::{Pair, Side},
    figures::merge,
    frames::Lot,
    postgres::Postgres,
    process,
    report::Section,
    server::{Homeserver, Running, Site, free_address},
    socket::Socket,
};

const NAMES: [&str; 2] = ["one.example", "two.example"];

/// How long the two may take to find each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// Both homeservers, with as many accounts at each.
struct Federation {
    servers: [Running; 2],
    accounts: [Vec<Account>; 2],
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<Section> {
    bench.stop()?;
    let (mut databases, mut urls) = (Vec::new(), [None, None]);
    if let (Database::Postgres, Some(server)) = (bench.options.database, &bench.options.postgres_url) {
        for url in &mut urls {
            let database = Postgres::create(server).await?;
            *url = Some(database.url.clone());
            databases.push(database);
        }
    }
    let outcome = measured(bench, urls).await.with_context(|| logs(bench));
    for database in databases {
        database.remove().await?;
    }
    bench.restart()?;
    outcome
}

async fn measured(bench: &Bench<'_>, urls: [Option<String>; 2]) -> Result<Section> {
    let number = bench.number_of_pairs();
    let mut federation = Federation::start(bench, urls, number).await?;
    let (mut rounds, mut ceilings) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds() {
        let pairs = federation.pairs().await?;
        rounds.push(relay::round(&relay::measured(bench, &pairs), || federation.processor_time(bench)).await?);
        ceilings.push(relay::ceiling(bench, number).await?);
    }
    federation.stop()?;
    let title = format!(
        "online relay across two homeservers on one core, {number} pairs, 256 bytes, each message acknowledged; beside \
         one bare relay"
    );
    Ok(Section { workload: Workload::W5, title, figures: merge(rounds), ceiling: merge(ceilings) })
}

fn logs(bench: &Bench<'_>) -> String {
    NAMES.map(|name| format!("the log of {name} ends:\n{}", log_end(&bench.folder.join(name)))).join("\n")
}

impl Federation {
    async fn start(bench: &Bench<'_>, urls: [Option<String>; 2], pairs: usize) -> Result<Self> {
        let [one, two] = NAMES;
        let one = Site { name: one, address: free_address()? };
        let two = Site { name: two, address: free_address()? };
        let [one_url, two_url] = urls;
        let servers = [start(bench, one, two, one_url)?, start(bench, two, one, two_url)?];
        let names = |kind: &str| (0..pairs).map(|number| format!("{kind}{number}")).collect::<Vec<_>>();
        let accounts = [
            register(one.address, one.name, names("sender")).await?,
            register(two.address, two.name, names("receiver")).await?,
        ];
        let introduced = tokio::time::timeout(PATIENCE, introduce(one, two)).await;
        introduced.context("the two homeservers do not find each other")??;
        Ok(Self { servers, accounts })
    }

    /// A sender and a receiver each, with tokens that are valid.
    async fn pairs(&mut self) -> Result<Vec<Pair>> {
        let senders = sides(&mut self.accounts[0], self.servers[0].address).await?;
        let receivers = sides(&mut self.accounts[1], self.servers[1].address).await?;
        // Elsewhere a bare name is somebody else's.
        let receivers = receivers.into_iter().map(|side| Side { name: side.address.clone(), ..side });
        Ok(senders.into_iter().zip(receivers).map(|(sender, receiver)| Pair { sender, receiver }).collect())
    }

    /// The processor time so far: of both homeservers, and of PostgreSQL.
    fn processor_time(&self, bench: &Bench<'_>) -> Result<(Duration, Option<Duration>)> {
        let mut servers = Duration::ZERO;
        for server in &self.servers {
            servers += process::processor_time(server.pid())?;
        }
        Ok((servers, bench.postgres.map(process::family_time).transpose()?))
    }

    fn stop(self) -> Result<()> {
        self.servers.into_iter().try_for_each(Running::stop)
    }
}

fn start(bench: &Bench<'_>, own: Site, peer: Site, database_url: Option<String>) -> Result<Running> {
    let directory = bench.folder.join(own.name);
    fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
    Homeserver::new(bench.options, &directory, database_url)?.beside(own, peer).start(bench.cores)
}

/// What a homeserver says of a message for nobody.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    code: Option<String>,
    retry_after: Option<u64>,
}

/// Has the one find the other, which it does for a message that waits with its sender: one for nobody, which is refused
/// once it has got there. Its sender takes no part in what is measured, and may be told of it later.
async fn introduce(one: Site, two: Site) -> Result<()> {
    let accounts = register(one.address, one.name, vec!["introducer".into()]).await?;
    let mut introducer = accounts.into_iter().next().context("no account")?;
    let (mut socket, _) = introducer.connect(one.address).await?;
    let (lot, receiver) = (Lot::new(), format!("nobody@{}", two.name));
    loop {
        socket.write(|text| lot.message(text, lot.id(0, 0), &receiver, 0));
        let refusal = refusal(&mut socket).await?;
        match refusal.code.as_deref() {
            // In answer to the message, or as what became of it.
            Some("not_found" | "receiver_gone") => return socket.close().await,
            _ if refusal.retry_after.is_some() => sleep(PAUSE).await,
            _ => bail!("{} said of a message to {}: {refusal:?}", one.name, two.name),
        }
    }
}

async fn refusal(socket: &mut Socket) -> Result<Refusal> {
    socket.flush().await?;
    loop {
        let refusal: Refusal = serde_json::from_slice(&socket.wait().await?)?;
        if refusal.code.is_some() {
            return Ok(refusal);
        }
    }
}
