//! `missive export`.

mod sink;

use std::time::Duration;

use client_core::{Account, Contact, wire::Address};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    args::{self, Format, Global},
    failure::Failure,
    interrupt::interrupted,
    output::{Output, Seen, called, escape},
    place::Place,
    who,
};
use sink::Sink;

/// Messages that are held in memory at once.
const PAGE: u32 = 100;

/// How often a person is told how far it is.
const TELL: Duration = Duration::from_secs(2);

pub(crate) async fn export(global: &Global, output: &Output, args: args::Export) -> Result<(), Failure> {
    let (account, peers) = if let Some(text) = &args.who {
        let (account, with) = who::account_and(global, text).await?;
        (account, vec![with])
    } else {
        let account = Place::find(global).await?.account().await?;
        let peers = everyone(&account).await?;
        (account, peers)
    };
    let sink = Sink::open(args.output.as_deref(), args.force)?;
    let mut export = Export { account: &account, output, format: args.format, sink, count: 0, told: Instant::now() };
    let Some(path) = &args.output else {
        export.write(&peers, args.all).await?;
        return export.sink.finish();
    };
    tokio::select! {
        written = export.write(&peers, args.all) => written?,
        // Half a file is none.
        () = interrupted() => return Err(Failure::Io("interrupted: nothing was written".into())),
    }
    let count = export.count;
    export.sink.finish()?;
    let text = format!("{count} messages are in {}", path.display());
    output.line(&text, &json!({"messages": count, "file": path}));
    Ok(())
}

/// Everyone with whom there are messages, in order of their addresses.
async fn everyone(account: &Account) -> Result<Vec<Address>, Failure> {
    let mut peers: Vec<Address> = account.conversations().await?.into_iter().map(|one| one.peer).collect();
    peers.sort();
    Ok(peers)
}

/// An export while it runs.
struct Export<'a> {
    account: &'a Account,
    output: &'a Output,
    format: Format,
    sink: Sink,
    count: u64,
    told: Instant,
}

impl Export<'_> {
    async fn write(&mut self, peers: &[Address], with_headings: bool) -> Result<(), Failure> {
        for peer in peers {
            let contact = self.account.contact(peer).await?;
            if with_headings && self.format == Format::Text {
                self.sink.line(&format!("== {}", called(peer, contact.petname.as_deref())))?;
            }
            self.conversation(&contact).await?;
        }
        Ok(())
    }

    async fn conversation(&mut self, with: &Contact) -> Result<(), Failure> {
        let (own, petname, mut after) = (self.account.address(), with.petname.as_deref(), 0);
        loop {
            let page = self.account.history_after(&with.address, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (_, message) in &page {
                let seen = Seen { own, message, petname };
                match self.format {
                    Format::Json => self.sink.line(&escape(&seen.value().to_string()))?,
                    Format::Text => self.sink.line(&seen.text())?,
                }
                self.count += 1;
            }
            self.tell();
        }
    }

    fn tell(&mut self) {
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            self.output.remark(&format!("{} messages so far", self.count), "progress");
        }
    }
}
