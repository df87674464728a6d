//! Claiming keys of accounts of other homeservers, and believing nothing of what comes.

use std::{sync::Arc, time::Duration};

use http::Method;
use missive_wire::{Address, ClaimedBundle, Code, Data, RemoteClaim, ServerName};
use tokio::time::timeout;

use super::check;
use crate::{
    app::App,
    error::{Error, Result},
    model::Access,
    peers::{
        call::Answer,
        discovery::Asker,
        json,
        outbound::{Bounds, CallError},
    },
    service::{
        access,
        peers::{self, PeerError, PeerRequest},
    },
};

/// How long a user waits for all of it: finding the server, asking, and asking once more.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one attempt may take, and how large its answer may be: the bundle of an account with every device that it may
/// have is under it.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(7), size: 512 * 1024 };

/// Seconds after which it may be tried again.
const LATER: u64 = 15;

/// Claims a bundle of every device of an account of another homeserver.
pub(super) async fn claim(app: &Arc<App>, caller: &Access, address: &Address) -> Result<ClaimedBundle> {
    let own = access::own(app, caller).await?;
    let server = &address.server;
    let random = app.clock.random().ok_or(PeerError::NoRandomness)?;
    let claim_id = uuid::Builder::from_random_bytes(random).into_uuid();
    let claim = RemoteClaim { claim_id, requester: app.address(&own.name) };
    let asked = timeout(PATIENCE, ask(app, caller, address, &claim)).await;
    let answer = match asked {
        Ok(Err(PeerError::Call { error: CallError::TooLarge { limit }, .. })) => {
            return Err(unusable(address, Code::InvalidKey, &format!("they are larger than {limit} bytes")));
        }
        Ok(answer) => answer?,
        Err(_) => return Err(Error::temporary(Code::UnknownServer, too_slow(server), LATER)),
    };
    peers::check_answer(server, &answer)?;
    let address = address.clone();
    // A bundle may hold some hundred signatures.
    tokio::task::spawn_blocking(move || read(&address, &answer)).await.map_err(Error::internal)?
}

/// Asks; once more under the same id where the answer was lost, so that no one-time key is.
async fn ask(
    app: &Arc<App>,
    caller: &Access,
    address: &Address,
    claim: &RemoteClaim,
) -> std::result::Result<Answer, PeerError> {
    let path = format!("/federation/v1/users/{}/claim", address.name);
    let body = serde_json::to_vec(claim).unwrap_or_default();
    let request = PeerRequest { method: Method::POST, path_and_query: &path, body: body.into(), bounds: BOUNDS };
    let asker = Asker::Account(caller.account);
    match peers::call(app, &address.server, asker, request.clone()).await {
        Err(error) if error.is_lost_answer() => {
            tracing::debug!(%error, server = %address.server, "the answer to a claim was lost; asking once more");
            peers::call(app, &address.server, asker, request).await
        }
        answer => answer,
    }
}

fn read(address: &Address, answer: &Answer) -> Result<ClaimedBundle> {
    let read = json::read::<Data<ClaimedBundle>>(&answer.body);
    let Data { data: bundle } = read.map_err(|error| unusable(address, Code::InvalidKey, &error.to_string()))?;
    match check::check_bundle(&bundle) {
        Ok(()) => Ok(bundle),
        Err(error) if error.code == Code::InvalidSignature => Err(unusable(address, error.code, &error.message)),
        Err(error) => Err(unusable(address, Code::InvalidKey, &error.message)),
    }
}

fn unusable(address: &Address, code: Code, why: &str) -> Error {
    let text = format!("the keys that {} gives for {address} cannot be used: {why}", address.server);
    Error::new(code, text)
}

fn too_slow(server: &ServerName) -> String {
    format!("{server} gave no answer within {} s; try again later", PATIENCE.as_secs())
}
