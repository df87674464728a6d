//! The two homeservers of the demonstration, which know where each other is.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    leftovers,
    server::{Server, Site},
};
use crate::{
    postgres::{Postgres, free_port},
    workspace,
};

/// Where `homeserver` listens when nobody says otherwise, and the port after it.
const USUAL_PORTS: [u16; 2] = [8080, 8081];

/// How often it is looked whether both still run.
const LOOK: Duration = Duration::from_millis(200);

/// Both homeservers, and the folder of everything that the demonstration makes.
pub(crate) struct Servers {
    /// Alice's.
    pub(crate) one: Server,
    /// Bob's.
    pub(crate) two: Server,
    folder: PathBuf,
}

impl Servers {
    /// Starts both, each on a database of its own, which is empty.
    pub(crate) fn start(postgres: Option<&Postgres>) -> Result<Self> {
        let sites = [
            Site { name: "one.example", port: port(USUAL_PORTS[0])? },
            Site { name: "two.example", port: port(USUAL_PORTS[1])? },
        ];
        let folder = workspace::target().join(format!("demo/{}", sites[0].port));
        make_anew(&folder)?;
        let database = |name| postgres.map(|postgres| postgres.create_database(name)).transpose();
        let [one, two] = sites;
        let one_database = database("one")?;
        let two_database = database("two")?;
        Ok(Self {
            one: Server::start(one, two, &folder, one_database.as_deref())?,
            two: Server::start(two, one, &folder, two_database.as_deref())?,
            folder,
        })
    }

    /// Where everything of this demonstration is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails if either has any of the texts.
    pub(crate) fn leftovers(&self, texts: &[&str]) -> Result<()> {
        leftovers::check(&self.one, texts)?;
        leftovers::check(&self.two, texts)
    }

    /// Waits for somebody to end one, which by Ctrl-C ends this program too.
    pub(crate) fn wait(mut self) -> Result<()> {
        loop {
            for server in [&mut self.one, &mut self.two] {
                if let Some(status) = server.ended()? {
                    bail!("the homeserver {} ended ({status})", server.name());
                }
            }
            thread::sleep(LOOK);
        }
    }

    /// Ends both, and removes what they made.
    pub(crate) fn end(mut self) -> Result<()> {
        self.one.stop()?;
        self.two.stop()?;
        println!("They ended cleanly.");
        fs::remove_dir_all(&self.folder).with_context(|| format!("removing {}", self.folder.display()))
    }
}

fn port(usual: u16) -> Result<u16> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, usual)) {
        Ok(_) => Ok(usual),
        Err(_) => free_port(),
    }
}

fn make_anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}
