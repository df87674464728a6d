//! Access and refresh tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use missive_wire::{DeviceId, Scope};
use moka::sync::Cache;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::master::{MasterKey, keyed_hash};
use crate::clock::Clock;

/// How long an access token lives.
pub const ACCESS_SECONDS: i64 = ACCESS_LIFETIME.as_secs().cast_signed();
const ACCESS_LIFETIME: Duration = Duration::from_mins(15);
/// How long a refresh token lives.
pub const REFRESH_SECONDS: i64 = 30 * 24 * 60 * 60;

const ACCESS_TYPE: &str = "at+jwt";
const REFRESH_TYPE: &str = "rt+jwt";

/// How many access tokens are remembered to be ours: a signature costs more to check than most requests to answer.
const REMEMBERED: u64 = 10_000;

/// What an access token says. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// What it may do.
    pub scope: Vec<Scope>,
    /// The account.
    pub sub: Uuid,
    /// When it was made.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// The session.
    pub sid: Uuid,
    /// The device.
    pub did: DeviceId,
}

/// What a refresh token says. Of its `jti` only a hash is stored.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The account.
    pub sub: Uuid,
    /// When it ends.
    pub exp: i64,
    /// Its id: 32 bytes, base64url.
    pub jti: String,
}

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours, altered, or of the other type.
    #[error("the token is not valid here")]
    Invalid,
    /// Past its time.
    #[error("the token has expired")]
    Expired,
}

/// The key pair that signs tokens.
pub struct TokenKeys {
    id: String,
    public: [u8; 32],
    encoding: EncodingKey,
    decoding: DecodingKey,
    successor_key: Zeroizing<[u8; 32]>,
    /// Access tokens whose signatures were good, by their SHA-256 digests.
    verified: Cache<[u8; 32], Arc<AccessClaims>>,
}

impl TokenKeys {
    /// A new private key: its public id, and its 32 secret bytes to seal.
    pub fn generate(clock: &Clock) -> Option<(String, Zeroizing<[u8; 32]>)> {
        let secret = Zeroizing::new(clock.random::<32>()?);
        let id = URL_SAFE_NO_PAD.encode(clock.random::<8>()?);
        Some((id, secret))
    }

    /// The key pair of 32 secret bytes.
    pub fn new(id: String, secret: &[u8], master: &MasterKey) -> Result<Self, TokenError> {
        let signing = SigningKey::from_bytes(secret.try_into().map_err(|_| TokenError::Invalid)?);
        let public = signing.verifying_key().to_bytes();
        let der = signing.to_pkcs8_der().map_err(|_| TokenError::Invalid)?;
        Ok(Self {
            id,
            public,
            encoding: EncodingKey::from_ed_der(der.as_bytes()),
            decoding: DecodingKey::from_ed_der(&public),
            successor_key: master.derive("refresh-token-successor"),
            verified: Cache::builder().max_capacity(REMEMBERED).time_to_live(ACCESS_LIFETIME).build(),
        })
    }

    /// Signs an access token.
    pub fn sign_access(&self, claims: &AccessClaims) -> Result<String, TokenError> {
        self.sign(ACCESS_TYPE, claims)
    }

    /// Signs a refresh token. The same claims give the same token.
    pub fn sign_refresh(&self, claims: &RefreshClaims) -> Result<String, TokenError> {
        self.sign(REFRESH_TYPE, claims)
    }

    /// Reads an access token that is valid at `now` (seconds).
    pub fn verify_access(&self, token: &str, now: i64) -> Result<AccessClaims, TokenError> {
        let digest = Sha256::digest(token).into();
        let claims = if let Some(claims) = self.verified.get(&digest) {
            claims
        } else {
            let claims = Arc::new(self.verify::<AccessClaims>(ACCESS_TYPE, token)?);
            self.verified.insert(digest, claims.clone());
            claims
        };
        if claims.exp > now { Ok(AccessClaims::clone(&claims)) } else { Err(TokenError::Expired) }
    }

    /// Reads a refresh token that is valid at `now` (seconds).
    pub fn verify_refresh(&self, token: &str, now: i64) -> Result<RefreshClaims, TokenError> {
        let claims: RefreshClaims = self.verify(REFRESH_TYPE, token)?;
        if claims.exp > now { Ok(claims) } else { Err(TokenError::Expired) }
    }

    /// The id that follows a spent refresh token's: always the same, so that an answer that got lost can be given again.
    pub fn successor(&self, jti: &str) -> String {
        URL_SAFE_NO_PAD.encode(keyed_hash(self.successor_key.as_ref(), jti.as_bytes()))
    }

    /// The public key as a JSON Web Key Set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.public);
        serde_json::json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x}
        ]})
    }

    fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.into());
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.encoding).map_err(|_| TokenError::Invalid)
    }

    /// Checks signature, algorithm and type; time is checked by the caller, whose clock may be turned.
    fn verify<T: DeserializeOwned>(&self, typ: &str, token: &str) -> Result<T, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.typ.as_deref() != Some(typ) {
            return Err(TokenError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode(token, &self.decoding, &validation).map(|token| token.claims).map_err(|_| TokenError::Invalid)
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeys").field("id", &self.id).finish_non_exhaustive()
    }
}
