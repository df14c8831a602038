//! TLS for clients: which authorities are trusted, with which cryptography.
//!
//! The host's own trust store plus one named file. Verification is never switched off here; `web.rs` has the one
//! exception, for modules whose `validate_certs: false` asks for it.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::trust::Trust;
use crate::diag::{Diagnostic, Result};

/// A client configuration that trusts the host's authorities and those in `ca_file` (PEM).
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let (mut trust, errors) = Trust::of_host();
    if let Some(path) = ca_file {
        add_file(&mut trust, path)?;
    }
    if trust.is_empty() {
        let mut error = Diagnostic::task("H0303", "this host has no trusted certificate authorities")
            .with_hint("install the package `ca-certificates`, or name the authority's file (`upstream_ca`)");
        for cause in errors.iter().take(3) {
            error = error.with_note(cause.to_string());
        }
        return Err(error);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Diagnostic::internal(format!("TLS versions: {error}")))?;
    Ok(trust.check(builder, provider).with_no_client_auth())
}

fn add_file(trust: &mut Trust, path: &Path) -> Result<()> {
    let wrong = |reason: String| {
        Diagnostic::task("H0303", format!("cannot read certificates from `{}`: {reason}", path.display()))
            .with_hint("the file must hold certificates in PEM form (`-----BEGIN CERTIFICATE-----`)")
    };
    let mut found = 0_usize;
    for item in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = item.map_err(|error| wrong(error.to_string()))?;
        trust.add(certificate).map_err(|error| wrong(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), "no certificate\n").expect("write");
        let error = client_config(Some(file.path())).expect_err("must fail");
        assert_eq!(error.code, "H0303");
        assert!(error.message.contains(&file.path().display().to_string()), "{error}");
        assert!(client_config(Some(Path::new("/nonexistent/ca.pem"))).is_err());
    }
}
