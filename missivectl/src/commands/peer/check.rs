//! The way to another server, step by step.

use std::sync::Arc;

use homeserver::{
    app::App,
    peers::{call::Answer, discovery::Asker},
    service::peers::{self, Peer, PeerError},
};
use missive_wire::{ErrorBody, ServerName};
use serde::Serialize;

use crate::{
    failure::{Failure, Kind},
    output::{Output, printable},
};

#[derive(Debug, Serialize)]
struct Checked {
    server: ServerName,
    ok: bool,
    steps: Vec<Step>,
}

/// What came of one step.
#[derive(Debug, Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    ok: bool,
    /// Why not, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    detail: String,
}

/// Checks the way to a server.
pub(in crate::commands) async fn check(app: &Arc<App>, server: ServerName, output: Output) -> Result<(), Failure> {
    let steps = steps(app, &server).await;
    let checked = Checked { ok: steps.iter().all(|step| step.ok), server, steps };
    output.print(&checked, describe)?;
    match checked.steps.iter().find(|step| !step.ok) {
        None => Ok(()),
        Some(step) => Err(Failure::new(Kind::Failed, format!("{}: {}", step.name, step.detail))),
    }
}

async fn steps(app: &Arc<App>, server: &ServerName) -> Vec<Step> {
    let peer = match peers::find(app, server, Asker::Own).await {
        Ok(peer) => peer,
        Err(error @ PeerError::FirstKeys { .. }) => return vec![Step::failed("keys", &error)],
        Err(error) => return vec![Step::failed("discovery", &error)],
    };
    let ping = match peers::ping(app, server, Asker::Own).await {
        Ok(answer) => answered(&answer),
        Err(error) => Step::failed("ping", &error),
    };
    vec![found(&peer), keys(app, &peer).await, ping]
}

fn found(peer: &Peer) -> Step {
    Step::good("discovery", format!("it is at {}", peer.found.base))
}

async fn keys(app: &App, peer: &Peer) -> Step {
    let server = &peer.found.server;
    match peers::details(app, server).await {
        Ok(details) if details.pins.unexplained.is_some() => {
            let detail = format!(
                "it publishes keys that nothing explains, and what was trusted stays trusted: look at \
                 `missivectl federation peer show {server}`"
            );
            Step { name: "keys", ok: false, code: Some("unexplained_keys".to_owned()), detail }
        }
        Ok(_) => {
            let ids: Vec<_> = peer.found.keys.keys.iter().map(|key| key.key_id.as_str()).collect();
            Step::good("keys", format!("its keys are trusted: {}", ids.join(", ")))
        }
        Err(error) => Step { name: "keys", ok: false, code: None, detail: error.to_string() },
    }
}

/// A signed answer may still say no.
fn answered(answer: &Answer) -> Step {
    if answer.status.is_success() {
        return Step::good("ping", "it verified a signed request, and its signed answer is verified".to_owned());
    }
    let status = answer.status.as_u16();
    let (code, detail) = match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(body) => (Some(body.code.as_str().to_owned()), format!("it answers with status {status}: {}", body.error)),
        Err(_) => (None, format!("it answers with status {status}")),
    };
    Step { name: "ping", ok: false, code, detail }
}

fn describe(checked: &Checked) -> String {
    let line = |step: &Step| {
        let outcome = if step.ok { "ok    " } else { "FAILED" };
        format!("{outcome}  {:<9}  {}", step.name, printable(&step.detail))
    };
    checked.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Step {
    fn good(name: &'static str, detail: String) -> Self {
        Self { name, ok: true, code: None, detail }
    }

    fn failed(name: &'static str, error: &PeerError) -> Self {
        Self { name, ok: false, code: Some(error.code().to_owned()), detail: error.to_string() }
    }
}
