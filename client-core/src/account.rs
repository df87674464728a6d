//! Authentication: registering, logging in, tokens, the published keys.

pub(crate) mod keys;
mod rest;
mod session;
mod tokens;

use std::fmt;

use missive_wire::{CreateAccount, CreateToken, DeviceId};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use session::{NewSession, Session};

pub(crate) use rest::{Rest, refusal};

use crate::Error;
use rest::Credential;

/// What an account is registered with.
#[derive(Clone)]
pub struct Registration {
    /// The wanted name.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// The invitation, where the homeserver wants one.
    pub invite: Option<String>,
}

/// What an account logs in with.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretString,
    /// The current code of the second factor, where there is one.
    pub totp: Option<String>,
    /// A recovery code in its stead.
    pub recovery_code: Option<String>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(crate) async fn register(rest: &Rest, registration: &Registration) -> Result<NewSession, Error> {
    let body = CreateAccount {
        name: registration.name.clone(),
        password: registration.password.expose_secret().to_owned(),
        registration_id: None,
        identity_key: None,
        invite_token: registration.invite.clone(),
        device_name: None,
    };
    let answer = rest.call(Method::POST, &["users"], Credential::None, Some(&body)).await?;
    NewSession::learn(rest, &registration.name, &answer).await
}

pub(crate) async fn log_in(rest: &Rest, credentials: &Credentials) -> Result<NewSession, Error> {
    let body = CreateToken {
        name: credentials.name.clone(),
        password: credentials.password.expose_secret().to_owned(),
        totp: credentials.totp.clone(),
        recovery_code: credentials.recovery_code.clone(),
        device_id: DeviceId::FIRST,
        device_name: None,
        scope: None,
    };
    let answer = rest.call(Method::POST, &["tokens"], Credential::None, Some(&body)).await?;
    if answer.status == StatusCode::ACCEPTED {
        return Err(Error::SecondFactorNeeded);
    }
    NewSession::learn(rest, &credentials.name, &answer).await
}
