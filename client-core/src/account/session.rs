//! The tokens of a log-in: kept encrypted, refreshed by themselves.

use std::{sync::Arc, time::Duration};

use missive_wire::{Account, Address, DeviceId, LoggedIn};
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    rest::{Answer, Credential, Rest},
    tokens::Tokens,
};
use crate::{
    Clock, Error, fault,
    storage::{Batch, Storage, Table},
};

const PROFILE: &[u8] = b"account";

/// How long another process of this account may take to refresh the tokens: a request's time, and some.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a refresh may take, and how often it is tried: together less than the 15 seconds of grace.
const REFRESH_TIMEOUT: Duration = Duration::from_millis(4500);
const REFRESH_TRIES: u32 = 3;
const REFRESH_PAUSE: Duration = Duration::from_millis(200);

/// No request has a body.
pub(crate) const NOTHING: Option<&()> = None;

/// Who this is, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    pub(crate) address: Address,
    pub(crate) device: DeviceId,
    /// The homeserver's URL.
    pub(crate) server: String,
}

/// A log-in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) profile: Profile,
    rest: Rest,
    storage: Arc<Storage>,
    clock: Clock,
    tokens: Arc<Mutex<Option<Tokens>>>,
}

/// A log-in that has no namespace yet.
pub(crate) struct NewSession {
    pub(crate) profile: Profile,
    access: SecretString,
    refresh: SecretString,
}

impl NewSession {
    /// Learns which account the answer to a registration or log-in with that name is about.
    pub(crate) async fn learn(rest: &Rest, name: &str, answer: &Answer) -> Result<Self, Error> {
        let logged_in: LoggedIn = answer.data()?;
        let refresh =
            answer.refresh.clone().ok_or_else(|| Error::UnexpectedAnswer("it lacks a refresh token".to_owned()))?;
        let access = SecretString::from(logged_in.access_token);
        let id = logged_in.id.to_string();
        let answer = rest.call(Method::GET, &["users", &id], Credential::Bearer(&access), NOTHING).await?;
        let account: Account = answer.data()?;
        let asked = name.split('@').next().unwrap_or_default();
        if !account.address.name.as_str().eq_ignore_ascii_case(asked) || account.id != logged_in.id {
            return Err(Error::UnexpectedAnswer("it is about another account than was asked for".to_owned()));
        }
        let profile = Profile {
            id: logged_in.id,
            address: account.address,
            device: logged_in.device_id,
            server: rest.server().to_owned(),
        };
        Ok(Self { profile, access, refresh })
    }

    /// Keeps it. What the storage has is of the same account, or nothing changes: a homeserver may say any address.
    pub(crate) async fn keep(self, rest: Rest, storage: Arc<Storage>, clock: Clock) -> Result<Session, Error> {
        if let Some(known) = storage.get::<Profile>(Table::Meta, PROFILE).await?
            && known.id != self.profile.id
        {
            return Err(Error::OtherAccount(known.address));
        }
        let mut batch = Batch::default();
        batch.put(Table::Meta, PROFILE, &self.profile)?;
        let tokens = Tokens { access: self.access, refresh: self.refresh, since: clock.timestamp().millis() };
        tokens.put(&mut batch)?;
        storage.commit(batch).await?;
        Ok(Session { profile: self.profile, rest, storage, clock, tokens: Arc::new(Mutex::new(Some(tokens))) })
    }
}

impl Session {
    /// The log-in that was kept.
    pub(crate) async fn load(storage: Arc<Storage>, clock: Clock) -> Result<Self, Error> {
        let profile: Profile = storage.get(Table::Meta, PROFILE).await?.ok_or(Error::SessionEnded)?;
        let tokens = Arc::new(Mutex::new(Tokens::load(&storage).await?));
        let rest = Rest::new(&profile.server)?;
        Ok(Self { profile, rest, storage, clock, tokens })
    }

    pub(crate) fn socket_url(&self) -> String {
        self.rest.socket_url()
    }

    /// Sends a request as this account, with a token that is still good.
    pub(crate) async fn call<B: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&B>,
    ) -> Result<Answer, Error> {
        let token = self.access_token().await?;
        match self.rest.call(method.clone(), path, Credential::Bearer(&token), body).await {
            Err(Error::SessionEnded) => {
                // Its time may be over by the server's clock only.
                let token = self.refresh(&token).await?;
                self.rest.call(method, path, Credential::Bearer(&token), body).await
            }
            result => result,
        }
    }

    /// As [`Session::call`], and reads the answer's data.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, method: Method, path: &[&str]) -> Result<T, Error> {
        self.call(method, path, NOTHING).await?.data()
    }

    /// As [`Session::ask`], with a query.
    pub(crate) async fn query<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Error> {
        let token = self.access_token().await?;
        match self.rest.query(Method::GET, path, query, Credential::Bearer(&token)).await {
            Err(Error::SessionEnded) => {
                let token = self.refresh(&token).await?;
                self.rest.query(Method::GET, path, query, Credential::Bearer(&token)).await?.data()
            }
            result => result?.data(),
        }
    }

    /// An access token that is good for another minute.
    pub(crate) async fn access_token(&self) -> Result<SecretString, Error> {
        let known = self.tokens.lock().await.clone().ok_or(Error::SessionEnded)?;
        if known.is_fresh(self.clock.timestamp().millis()) {
            Ok(known.access)
        } else {
            self.refresh(&known.access).await
        }
    }

    /// Another access token than this one, which is old or which the server refuses. Whoever asks may go away: the
    /// refreshing goes on, because a spent refresh token whose successor was not stored would end the session.
    pub(crate) async fn refresh(&self, refused: &SecretString) -> Result<SecretString, Error> {
        let (session, refused) = (self.clone(), refused.clone());
        let refreshing = tokio::spawn(async move {
            let mut tokens = session.tokens.lock().await;
            session.rotate(&mut tokens, &refused).await
        });
        refreshing.await.unwrap_or_else(|_| Err(Error::Unreachable("refreshing the log-in was interrupted".to_owned())))
    }

    /// Waits until no tokens are being refreshed, as long as that may take.
    pub(crate) async fn settled(&self) {
        let _ = timeout(PATIENCE, self.tokens.lock()).await;
    }

    /// Whether there are tokens, however old.
    pub(crate) async fn is_logged_in(&self) -> bool {
        self.tokens.lock().await.is_some()
    }

    /// How long the homeserver takes to say that it lives.
    pub(crate) async fn reach(&self) -> Result<Duration, Error> {
        self.rest.reach().await
    }

    /// Ends the log-in, here and there; with `everywhere`, every log-in of the account.
    pub(crate) async fn log_out(&self, everywhere: bool) -> Result<(), Error> {
        let mut tokens = self.tokens.lock().await;
        let _lock = self.storage.lock("tokens", PATIENCE).await?;
        if let Some(current) = Tokens::load(&self.storage).await? {
            let credential = Credential::Cookie(&current.refresh);
            let query: &[_] = if everywhere { &[("all", "true")] } else { &[] };
            match self.rest.query(Method::DELETE, &["tokens"], query, credential).await {
                // What an admin or another device has ended is over there already.
                Ok(_) | Err(Error::SessionEnded | Error::AccountRevoked) => {}
                Err(error) => return Err(error),
            }
        }
        let mut batch = Batch::default();
        Tokens::delete(&mut batch);
        self.storage.commit(batch).await?;
        *tokens = None;
        Ok(())
    }

    /// Those that another process has got, else new ones from the homeserver, which are on the disk before they are used.
    async fn rotate(&self, tokens: &mut Option<Tokens>, refused: &SecretString) -> Result<SecretString, Error> {
        let now = || self.clock.timestamp().millis();
        let is_other = |tokens: &Tokens| !tokens.is(refused) && tokens.is_fresh(now());
        if let Some(current) = tokens.as_ref().filter(|current| is_other(current)) {
            return Ok(current.access.clone());
        }
        let _lock = self.storage.lock("tokens", PATIENCE).await?;
        let Some(stored) = Tokens::load(&self.storage).await? else {
            *tokens = None;
            return Err(Error::SessionEnded);
        };
        let current = tokens.insert(stored);
        if is_other(current) {
            return Ok(current.access.clone());
        }
        let (access, refresh) = self.ask_for_tokens(&current.refresh).await?;
        fault::point("tokens-refreshed");
        let new = Tokens { access, refresh: refresh.unwrap_or_else(|| current.refresh.clone()), since: now() };
        let mut batch = Batch::default();
        new.put(&mut batch)?;
        self.storage.commit(batch).await?;
        fault::point("tokens-stored");
        Ok(tokens.insert(new).access.clone())
    }

    /// An answer may get lost; the same refresh token gets the same successor for 15 seconds, so it is asked for again
    /// within them.
    async fn ask_for_tokens(&self, refresh: &SecretString) -> Result<(SecretString, Option<SecretString>), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Refreshed {
            access_token: String,
        }
        let mut tries = 1;
        let answer = loop {
            let asking = self.rest.call(Method::PUT, &["tokens"], Credential::Cookie(refresh), NOTHING);
            match timeout(REFRESH_TIMEOUT, asking).await {
                Ok(Err(Error::Unreachable(_))) if tries < REFRESH_TRIES => sleep(REFRESH_PAUSE).await,
                Ok(answer) => break answer?,
                Err(_) if tries < REFRESH_TRIES => {}
                Err(_) => return Err(Error::Unreachable("it does not answer in time".to_owned())),
            }
            tries += 1;
        };
        let access = SecretString::from(answer.data::<Refreshed>()?.access_token);
        Ok((access, answer.refresh.clone()))
    }
}
