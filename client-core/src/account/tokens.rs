//! Tokens as they are kept, and for how long they are good.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    storage::{Batch, Storage, Table},
};

const TOKENS: &[u8] = b"tokens";

/// An access token this close to its end is not begun with.
const MARGIN: Duration = Duration::from_mins(1);

/// The tokens of a log-in.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(super) access: SecretString,
    pub(super) refresh: SecretString,
    /// When they came, by this computer's clock, in Unix milliseconds: how long they are good for is counted from it.
    pub(super) since: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredTokens {
    access: String,
    refresh: String,
    since: i64,
}

impl Tokens {
    /// Forgets them.
    pub(super) fn delete(batch: &mut Batch) {
        batch.delete(Table::Meta, TOKENS);
    }

    pub(super) async fn load(storage: &Storage) -> Result<Option<Self>, Error> {
        let stored: Option<StoredTokens> = storage.get(Table::Meta, TOKENS).await?;
        Ok(stored.map(|StoredTokens { access, refresh, since }| Self {
            access: access.into(),
            refresh: refresh.into(),
            since,
        }))
    }

    pub(super) fn put(&self, batch: &mut Batch) -> Result<(), Error> {
        let (access, refresh) = (self.access.expose_secret().to_owned(), self.refresh.expose_secret().to_owned());
        Ok(batch.put(Table::Meta, TOKENS, &StoredTokens { access, refresh, since: self.since })?)
    }

    pub(super) fn is(&self, access: &SecretString) -> bool {
        self.access.expose_secret() == access.expose_secret()
    }

    /// Whether the access token is good for another minute: as long as the homeserver gave it, counted from when it came.
    pub(super) fn is_fresh(&self, now: i64) -> bool {
        let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(60_000);
        // One that cannot be read is left to the server to judge.
        let Some(lifetime) = lifetime(self.access.expose_secret()) else { return true };
        now >= self.since && now - self.since < lifetime.saturating_sub(margin)
    }
}

/// How long a token is good for, in milliseconds: its `exp` less its `iat`. Nothing is trusted for it: it only says when
/// to ask for another one.
fn lifetime(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
        #[serde(default)]
        iat: Option<i64>,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp, iat } = serde_json::from_slice(&claims).ok()?;
    Some(iat.map_or(0, |iat| exp.saturating_sub(iat)).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_long_a_token_is_good() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"x","iat":1700000000,"exp":1700000900}"#);
        assert_eq!(lifetime(&format!("e30.{claims}.c2ln")), Some(900_000));
        assert_eq!(lifetime("nonsense"), None);
        assert_eq!(lifetime("a.!!.c"), None);
    }
}
