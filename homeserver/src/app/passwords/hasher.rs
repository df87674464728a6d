//! Hashing itself: argon2id with OWASP's parameters, in memory that is used again.

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString},
};

use crate::clock::Clock;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;

/// The hash that an unknown name's password is compared with: it costs what a real one costs, and nothing matches it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a hash did not come of; a stored one that is not valid, or parameters that the library refuses.
type Failed = argon2::password_hash::Error;

/// One thread's hashing. Fresh memory costs a fifth of a hash again in page faults, so it is kept while there is work.
#[derive(Default)]
pub(super) struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    /// Gives the memory back until it is needed again.
    pub(super) fn rest(&mut self) {
        self.memory = Vec::new();
    }

    /// Hashes a new password, in PHC form; `None` where the system has no randomness or the library refuses.
    pub(super) fn hash(&mut self, password: &str) -> Option<String> {
        let salt = SaltString::encode_b64(&Clock::default().random::<16>()?).ok()?;
        let hash = self.phc(password, salt.as_salt());
        hash.inspect_err(|error| tracing::error!(%error, "a password was not hashed")).ok()
    }

    fn phc(&mut self, password: &str, salt: Salt<'_>) -> Result<String, Failed> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT))?;
        let (algorithm, version) = (ARGON2ID_IDENT, Some(Version::V0x13.into()));
        let hash = Some(self.output(password, salt, &params)?);
        let params = ParamsString::try_from(&Params::new(MEMORY_KIB, PASSES, LANES, None)?)?;
        Ok(PasswordHash { algorithm, version, params, salt: Some(salt), hash }.to_string())
    }

    /// Whether the password is the one of the hash; without a hash it takes as long and says no.
    pub(super) fn verify(&mut self, password: &str, expected: Option<&str>) -> bool {
        let matches = self.matches(password, expected.unwrap_or(NOBODY));
        let is_right = matches.unwrap_or_else(|error| {
            tracing::error!(%error, "a stored password hash is not valid");
            false
        });
        expected.is_some() && is_right
    }

    fn matches(&mut self, password: &str, expected: &str) -> Result<bool, Failed> {
        let expected = PasswordHash::new(expected)?;
        let (Some(salt), Some(hash)) = (expected.salt, expected.hash) else { return Err(Failed::Crypto) };
        // Outputs are compared in constant time.
        Ok(expected.algorithm == ARGON2ID_IDENT && self.output(password, salt, &Params::try_from(&expected)?)? == hash)
    }

    fn output(&mut self, password: &str, salt: Salt<'_>, params: &Params) -> Result<Output, Failed> {
        self.memory.resize(params.block_count(), Block::default());
        let mut bytes = [0; Salt::MAX_LENGTH];
        let salt = salt.decode_b64(&mut bytes)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        Output::init_with(params.output_len().unwrap_or(OUTPUT), |output| {
            Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.memory[..])?)
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    #[test]
    fn a_hash_matches_its_password_only() {
        let mut hasher = Hasher::default();
        let phc = hasher.hash("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify("correct horse", Some(&phc)));
        assert!(!hasher.verify("correct horsf", Some(&phc)));
        hasher.rest();
        assert!(hasher.verify("correct horse", Some(&phc)));
        assert!(!hasher.verify("anything", Some("not a hash")));
    }

    #[test]
    fn it_is_the_library_s_own_hash_whatever_the_memory_held_before() {
        let mut hasher = Hasher::default();
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap();
        let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        for password in ["first", "second"] {
            let ours = hasher.hash(password).unwrap();
            library.verify_password(password.as_bytes(), &PasswordHash::new(&ours).unwrap()).unwrap();
            let salt = SaltString::encode_b64(b"sixteen bytes of").unwrap();
            let theirs = library.hash_password(password.as_bytes(), &salt).unwrap().to_string();
            assert!(hasher.verify(password, Some(&theirs)));
        }
    }

    #[test]
    fn nobody_has_a_readable_hash_of_the_same_cost_that_never_matches() {
        let mut hasher = Hasher::default();
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = hasher.hash("x").unwrap();
        assert_eq!(nobody.params, PasswordHash::new(&real).unwrap().params);
        assert_eq!(nobody.hash.unwrap().len(), OUTPUT);
        assert!(!hasher.verify("anything", None));
    }
}
