//! Key claims: each one-time key is given out once.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    net::SocketAddr,
    ops::RangeInclusive,
    rc::Rc,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libsignal_core::curve::KeyPair;
use rand::{RngCore as _, TryRngCore as _, rngs::OsRng};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::Bench;
use crate::{
    figures::{Value, float, value},
    http::Http,
};

/// Claims of a round, before the scale.
const CLAIMS: u32 = 20_000;

/// One-time keys of a kind that a device may store …
const STORED: u32 = 1_000;
/// … and publish at a time.
const UPLOAD: u32 = 200;

/// Who claim at the same time.
const CONNECTIONS: usize = 16;

/// A Kyber-1024 public key with its type byte; the server sees only that it is signed.
const PQ_BYTES: usize = 1_569;
const PQ_TYPE: u8 = 0x08;

/// Accounts whose keys are claimed.
pub(super) struct Owners {
    all: Vec<Owner>,
    /// Claims of a round, spread evenly over the owners.
    each: u32,
    published: u32,
}

/// An account with keys.
#[derive(Clone)]
struct Owner {
    name: String,
    identity_key: String,
    /// One key of each kind stands for all: the server tells them apart by their ids.
    ec: Json,
    pq: Json,
}

/// What was claimed: of whom, which kind, which id.
type Claimed = Rc<RefCell<HashSet<(usize, &'static str, u64)>>>;

impl Owners {
    pub(super) async fn new(bench: &mut Bench<'_>) -> Result<Self> {
        let claims = bench.options.scaled(CLAIMS);
        let count = claims.div_ceil(STORED);
        bench.need_accounts(count as usize + 1).await?;
        let names = bench.accounts[..count as usize].iter().map(|account| account.name.clone());
        let all = names.map(Owner::new).collect::<Result<_>>()?;
        Ok(Self { all, each: claims / count, published: 0 })
    }

    /// Publishes as many keys as will be claimed, then claims them all.
    pub(super) async fn claims(&mut self, bench: &mut Bench<'_>) -> Result<Vec<Value>> {
        self.publish(bench).await?;
        let address = bench.address()?;
        let token = bench.accounts.last_mut().context("no account")?.token(address).await?.to_owned();
        let names = self.all.iter().map(|owner| owner.name.clone()).collect::<Rc<[_]>>();
        let left = Rc::new(Cell::new(names.len() * self.each as usize));
        let claimed = Claimed::default();
        let (start, (server, database)) = (Instant::now(), bench.processor_time()?);
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            tasks.spawn_local(claim_all(address, token.clone(), names.clone(), left.clone(), claimed.clone()));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        let (seconds, used) = (start.elapsed().as_secs_f64(), bench.processor_time()?);
        let claims = float(names.len() as u64 * u64::from(self.each));
        let mut values = vec![
            value("key claims", "1/s", claims / seconds),
            value("CPU a claim", "µs", (used.0.saturating_sub(server)).as_secs_f64() * 1e6 / claims),
        ];
        if let (Some(before), Some(after)) = (database, used.1) {
            let spent = after.saturating_sub(before).as_secs_f64();
            values.push(value("PostgreSQL's CPU a claim", "µs", spent * 1e6 / claims));
        }
        Ok(values)
    }

    async fn publish(&mut self, bench: &mut Bench<'_>) -> Result<()> {
        let address = bench.address()?;
        let mut http = Http::connect(address).await?;
        let last = self.published + self.each;
        for (number, owner) in self.all.iter().enumerate() {
            let mut first = self.published + 1;
            while first <= last {
                let ids = first..=last.min(first + UPLOAD - 1);
                first = ids.end() + 1;
                let upload = owner.upload(ids);
                let path = format!("/api/v1/users/{}/keys", owner.name);
                bench.accounts[number].request(&mut http, address, "POST", &path, &upload).await?.data()?;
            }
        }
        self.published = last;
        Ok(())
    }
}

impl Owner {
    fn new(name: String) -> Result<Self> {
        let mut random = OsRng.unwrap_err();
        let identity = KeyPair::generate(&mut random);
        let mut pq = vec![0; PQ_BYTES];
        random.fill_bytes(&mut pq);
        pq[0] = PQ_TYPE;
        let ec = KeyPair::generate(&mut random).public_key.serialize();
        let mut signed = |key: &[u8]| {
            let signature =
                identity.calculate_signature(key, &mut random).map_err(|error| anyhow!("signing: {error}"))?;
            Ok::<_, anyhow::Error>(json!({"publicKey": STANDARD.encode(key), "signature": STANDARD.encode(&signature)}))
        };
        let (ec, pq) = (signed(&ec)?, signed(&pq)?);
        Ok(Self { name, identity_key: STANDARD.encode(identity.public_key.serialize()), ec, pq })
    }

    fn upload(&self, ids: RangeInclusive<u32>) -> Json {
        let with_id = |key: &Json, id: u32| {
            let mut key = key.clone();
            key["keyId"] = id.into();
            key
        };
        let all = |key: &Json| ids.clone().map(|id| with_id(key, id)).collect::<Vec<_>>();
        let mut upload = json!({ "preKeys": all(&self.ec), "pqPreKeys": all(&self.pq) });
        if *ids.start() == 1 {
            upload["identityKey"] = self.identity_key.clone().into();
            upload["registrationId"] = 4711.into();
            upload["signedPreKey"] = with_id(&self.ec, 1);
            upload["pqLastResortPreKey"] = with_id(&self.pq, 1);
        }
        upload
    }
}

async fn claim_all(
    server: SocketAddr,
    token: String,
    names: Rc<[String]>,
    left: Rc<Cell<usize>>,
    claimed: Claimed,
) -> Result<()> {
    let mut http = Http::connect(server).await?;
    let header = format!("authorization: Bearer {token}\r\n");
    while let Some(turn) = left.get().checked_sub(1) {
        left.set(turn);
        let owner = turn % names.len();
        let path = format!("/api/v1/users/{}/keys", names[owner]);
        let bundle = http.request("GET", &path, &header, "").await?.data()?;
        for kind in ["preKey", "pqPreKey"] {
            let id = bundle["devices"][0][kind]["keyId"].as_u64().with_context(|| format!("a claim without {kind}"))?;
            if !claimed.borrow_mut().insert((owner, kind, id)) {
                bail!("{kind} {id} of {} was given out twice", names[owner]);
            }
        }
    }
    Ok(())
}
