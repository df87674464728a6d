//! An access rule is an argument type: a handler that takes a [`Caller`] runs only for a token with that scope.

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use missive_wire::{Code, Scope};

use super::{Failure, Shared};
use crate::{error::Error, model::Access, service::access};

/// Someone with an access token that has the scope `S`.
pub struct Caller<S> {
    /// Who.
    pub access: Access,
    scope: PhantomData<S>,
}

/// A scope as a type.
pub trait RequiredScope: Send + Sync {
    /// Which.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub struct $name;

        impl RequiredScope for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}

scopes! {
    /// Read the own account, search others.
    ProfileRead,
    /// Change or delete the own account.
    ProfileWrite,
    /// Claim bundles.
    KeysRead,
    /// Publish keys.
    KeysWrite,
    /// Receive messages.
    MessagesRead,
}

impl<S: RequiredScope> FromRequestParts<Shared> for Caller<S> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        let access = access::authenticate(app, bearer(parts)?)?;
        access::require(&access, S::SCOPE)?;
        Ok(Self { access, scope: PhantomData })
    }
}

/// The token of the `Authorization: Bearer …` header (RFC 6750).
pub fn bearer(parts: &Parts) -> Result<&str, Failure> {
    let missing = || Error::new(Code::Unauthorized, "an access token is needed: Authorization: Bearer <token>");
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = header.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing().into()) }
}
