//! Making tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use missive_wire::{AccountName, DeviceId, LoggedIn, Scope, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    app::App,
    error::{Error, Result},
    keys::{ACCESS_SECONDS, AccessClaims, REFRESH_SECONDS, RefreshClaims},
    store::NewSession,
};

/// An answer to a log-in or refresh, and the refresh token that goes beside it as a cookie.
pub struct Issued {
    /// The answer.
    pub logged_in: LoggedIn,
    /// A JWT, valid for 30 days or until it is used.
    pub refresh_token: String,
}

/// A session to be stored, and the secret id of its first refresh token.
pub(in crate::service) struct NewTokens {
    pub(in crate::service) session: NewSession,
    jti: String,
}

impl NewTokens {
    pub(in crate::service) fn draw(app: &App, account: Uuid, device: DeviceId, scope: Vec<Scope>) -> Result<Self> {
        let random = app.clock.random::<32>();
        let random = random.ok_or_else(|| Error::internal(anyhow::anyhow!("the system gives no random bytes")))?;
        let jti = URL_SAFE_NO_PAD.encode(random);
        let at = app.clock.now();
        let session = NewSession {
            id: app.clock.new_id(),
            account,
            device,
            scope,
            at,
            token_hash: hash(&jti),
            token_expires_at: refresh_expiry(at),
        };
        Ok(Self { session, jti })
    }

    /// The tokens of the session, once it is stored.
    pub(in crate::service) fn issue(self, app: &App, name: AccountName) -> Result<Issued> {
        let NewSession { id, account, device, scope, token_expires_at, .. } = self.session;
        Bearer { account, name, session: id, device, scope }.issue(app, self.jti, token_expires_at)
    }
}

/// Whom tokens are for.
pub(super) struct Bearer {
    pub(super) account: Uuid,
    pub(super) name: AccountName,
    pub(super) session: Uuid,
    pub(super) device: DeviceId,
    pub(super) scope: Vec<Scope>,
}

impl Bearer {
    /// A new access token, and the refresh token of that id: the same for the same id and expiry.
    pub(super) fn issue(self, app: &App, jti: String, refresh_expires_at: Timestamp) -> Result<Issued> {
        let iat = seconds(app.clock.now());
        let access = AccessClaims {
            scope: self.scope,
            sub: self.account,
            iat,
            exp: iat + ACCESS_SECONDS,
            sid: self.session,
            did: self.device,
        };
        let refresh = RefreshClaims { sub: self.account, exp: seconds(refresh_expires_at), jti };
        let access_token = app.tokens.sign_access(&access).map_err(Error::internal)?;
        let refresh_token = app.tokens.sign_refresh(&refresh).map_err(Error::internal)?;
        let logged_in = LoggedIn { id: self.account, name: self.name, device_id: self.device, access_token };
        Ok(Issued { logged_in, refresh_token })
    }
}

/// What is stored of a refresh token's id.
pub(super) fn hash(jti: &str) -> [u8; 32] {
    Sha256::digest(jti).into()
}

/// When a refresh token made at `at` ends: whole seconds, as a JWT has them.
pub(super) fn refresh_expiry(at: Timestamp) -> Timestamp {
    Timestamp::from_millis((seconds(at) + REFRESH_SECONDS) * 1_000)
}

pub(super) fn seconds(at: Timestamp) -> i64 {
    at.millis() / 1_000
}
