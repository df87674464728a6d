//! A private authority for certificates.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A private authority, with its files. Clones are the same one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Arc::new(Inner { issuer: Issuer::new(params, key), directory }))
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.0.directory.path().join("ca.pem")
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// Signs a certificate for a host; the settings with which a homeserver serves it.
    pub fn settings_for(&self, host: &str) -> [String; 2] {
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        let folder = tempfile::tempdir_in(self.0.directory.path()).unwrap().keep();
        [("cert", certificate.pem()), ("key", key.serialize_pem())].map(|(what, pem)| {
            let file = folder.join(what).with_extension("pem");
            fs::write(&file, pem).unwrap();
            format!("tls.{what}_file={}", file.display())
        })
    }
}
