//! The tokens of a log-in: kept encrypted, refreshed by themselves.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use missive_wire::{Account, Address, DeviceId, LoggedIn};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::rest::{Answer, Credential, Rest};
use crate::{
    Clock, Error, fault,
    storage::{Batch, Storage, Table},
};

const PROFILE: &[u8] = b"account";
const TOKENS: &[u8] = b"tokens";

/// An access token this close to its end is not begun with.
const MARGIN: Duration = Duration::from_mins(1);

/// How long another process of this account may take to refresh the tokens: a request's time, and some.
const PATIENCE: Duration = Duration::from_secs(40);

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

/// The tokens of a log-in.
pub(crate) struct Tokens {
    access: SecretString,
    refresh: SecretString,
}

#[derive(Serialize, Deserialize)]
struct StoredTokens {
    access: String,
    refresh: String,
}

/// A log-in.
pub(crate) struct Session {
    pub(crate) profile: Profile,
    rest: Rest,
    storage: Arc<Storage>,
    clock: Clock,
    tokens: Mutex<Option<Tokens>>,
}

/// A log-in that has no namespace yet.
pub(crate) struct NewSession {
    pub(crate) profile: Profile,
    tokens: Tokens,
}

impl NewSession {
    /// Learns which account the answer to a registration or log-in is about.
    pub(crate) async fn learn(rest: &Rest, answer: &Answer) -> Result<Self, Error> {
        let logged_in: LoggedIn = answer.data()?;
        let refresh =
            answer.refresh.clone().ok_or_else(|| Error::UnexpectedAnswer("it lacks a refresh token".to_owned()))?;
        let tokens = Tokens { access: logged_in.access_token.into(), refresh };
        let id = logged_in.id.to_string();
        let answer = rest.call(Method::GET, &["users", &id], Credential::Bearer(&tokens.access), NOTHING).await?;
        let account: Account = answer.data()?;
        let profile = Profile {
            id: logged_in.id,
            address: account.address,
            device: logged_in.device_id,
            server: rest.server().to_owned(),
        };
        Ok(Self { profile, tokens })
    }

    /// Keeps it.
    pub(crate) async fn keep(self, rest: Rest, storage: Arc<Storage>, clock: Clock) -> Result<Session, Error> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, PROFILE, &self.profile)?;
        self.tokens.put(&mut batch)?;
        storage.commit(batch).await?;
        Ok(Session { profile: self.profile, rest, storage, clock, tokens: Mutex::new(Some(self.tokens)) })
    }
}

impl Tokens {
    async fn load(storage: &Storage) -> Result<Option<Self>, Error> {
        let stored: Option<StoredTokens> = storage.get(Table::Meta, TOKENS).await?;
        Ok(stored.map(|tokens| Self { access: tokens.access.into(), refresh: tokens.refresh.into() }))
    }

    fn put(&self, batch: &mut Batch) -> Result<(), Error> {
        let (access, refresh) = (self.access.expose_secret().to_owned(), self.refresh.expose_secret().to_owned());
        Ok(batch.put(Table::Meta, TOKENS, &StoredTokens { access, refresh })?)
    }
}

impl Session {
    /// The log-in that was kept.
    pub(crate) async fn load(storage: Arc<Storage>, clock: Clock) -> Result<Self, Error> {
        let profile: Profile = storage.get(Table::Meta, PROFILE).await?.ok_or(Error::SessionEnded)?;
        let tokens = Tokens::load(&storage).await?;
        let rest = Rest::new(&profile.server)?;
        Ok(Self { profile, rest, storage, clock, tokens: Mutex::new(tokens) })
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
        let mut tokens = self.tokens.lock().await;
        let current = tokens.as_ref().ok_or(Error::SessionEnded)?;
        if self.is_fresh(&current.access) {
            return Ok(current.access.clone());
        }
        self.rotate(&mut tokens).await
    }

    /// Another access token than the one that the server refuses.
    pub(crate) async fn refresh(&self, refused: &SecretString) -> Result<SecretString, Error> {
        let mut tokens = self.tokens.lock().await;
        let current = tokens.as_ref().ok_or(Error::SessionEnded)?;
        if current.access.expose_secret() != refused.expose_secret() {
            return Ok(current.access.clone());
        }
        self.rotate(&mut tokens).await
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
        batch.delete(Table::Meta, TOKENS);
        self.storage.commit(batch).await?;
        *tokens = None;
        Ok(())
    }

    /// Other tokens than these: those that another process has got, else new ones from the homeserver, which are on the
    /// disk before they are used. The old refresh token is spent then, and to use it again would end the session.
    async fn rotate(&self, tokens: &mut Option<Tokens>) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Refreshed {
            access_token: String,
        }
        let _lock = self.storage.lock("tokens", PATIENCE).await?;
        let known = tokens.take().ok_or(Error::SessionEnded)?;
        let stored = Tokens::load(&self.storage).await?.ok_or(Error::SessionEnded)?;
        let is_other = stored.access.expose_secret() != known.access.expose_secret();
        let current = tokens.insert(stored);
        if is_other && self.is_fresh(&current.access) {
            return Ok(current.access.clone());
        }
        let credential = Credential::Cookie(&current.refresh);
        let answer = self.rest.call(Method::PUT, &["tokens"], credential, NOTHING).await?;
        fault::point("tokens-refreshed");
        let access = SecretString::from(answer.data::<Refreshed>()?.access_token);
        let refresh = answer.refresh.clone().unwrap_or_else(|| current.refresh.clone());
        let new = Tokens { access: access.clone(), refresh };
        let mut batch = Batch::default();
        new.put(&mut batch)?;
        self.storage.commit(batch).await?;
        fault::point("tokens-stored");
        *tokens = Some(new);
        Ok(access)
    }

    fn is_fresh(&self, access: &SecretString) -> bool {
        let now = self.clock.timestamp().millis() / 1000;
        let margin = i64::try_from(MARGIN.as_secs()).unwrap_or(60);
        // One that cannot be read is left to the server to judge.
        expires(access.expose_secret()).is_none_or(|expires| now.saturating_add(margin) < expires)
    }
}

/// The `exp` of a token. Nothing is trusted for it: it only says when to ask for another one.
fn expires(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims>(&claims).ok()?.exp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_end_of_a_token() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"x","exp":1700000000}"#);
        assert_eq!(expires(&format!("e30.{claims}.c2ln")), Some(1_700_000_000));
        assert_eq!(expires("nonsense"), None);
        assert_eq!(expires("a.!!.c"), None);
    }
}
