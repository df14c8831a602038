//! TLS of a request: whom it trusts, its client's certificate, its ciphers.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig};

use super::trust::Trust;
use super::web::{Follow, NoAnswer, WebRequest};

/// The configuration that a request asks for.
pub(super) fn tls(request: &WebRequest) -> Result<ClientConfig, NoAnswer> {
    let plain = request.url.starts_with("http://") && request.follow == Follow::None;
    let mut provider = rustls::crypto::ring::default_provider();
    choose(&mut provider.cipher_suites, &request.ciphers)?;
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| NoAnswer(error.to_string()))?;
    let builder = if request.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        let trust = match &request.ca_path {
            Some(path) => {
                let mut trust = Trust::none();
                for certificate in certificates(path)? {
                    trust.add(certificate).map_err(|error| NoAnswer(format!("{}: {error}", path.display())))?;
                }
                trust
            }
            None if plain => Trust::none(),
            None => Trust::of_host().0,
        };
        trust.check(builder, provider)
    };
    let Some((certificate, key)) = &request.client_cert else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| NoAnswer(format!("cannot read a key from {}: {error}", key.display())))?;
    builder.with_client_auth_cert(certificates(certificate)?, key).map_err(|error| NoAnswer(error.to_string()))
}

/// The ciphers of TLS 1.2 that there are, by OpenSSL's names.
const CIPHERS: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Leaves the ciphers of an OpenSSL list. All that there are count as strong: a word for a class takes those
/// whose names have all its parts (`ECDHE+AESGCM`), or all of them (`HIGH`, `DEFAULT`).
fn choose(suites: &mut Vec<rustls::SupportedCipherSuite>, list: &[String]) -> Result<(), NoAnswer> {
    let words = || list.iter().flat_map(|part| part.split([':', ',', ' '])).filter(|word| !word.is_empty());
    if words().next().is_none() {
        return Ok(());
    }
    let fits = |name: &str, word: &str| {
        matches!(word, "ALL" | "COMPLEMENTOFDEFAULT" | "DEFAULT" | "HIGH")
            || word == name
            || (!word.contains('-')
                && word.split('+').all(|part| {
                    let name =
                        name.replace("AES256-GCM", "AES256-AESGCM-AES").replace("AES128-GCM", "AES128-AESGCM-AES");
                    name.split('-').any(|own| own == part) || (part == "EECDH" && name.starts_with("ECDHE"))
                }))
    };
    let mut chosen: Vec<CipherSuite> = Vec::new();
    for word in words() {
        let named = |word: &str| CIPHERS.iter().filter(|(name, _)| fits(name, word)).map(|(_, suite)| *suite).collect();
        if let Some(word) = word.strip_prefix(['!', '-']) {
            let without: Vec<CipherSuite> = named(word);
            chosen.retain(|suite| !without.contains(suite));
        } else if !word.starts_with('@') {
            chosen.extend::<Vec<CipherSuite>>(named(word.trim_start_matches('+')));
        }
    }
    let known = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "-+_!@=.".contains(c));
    if !words().all(known) {
        return Err(NoAnswer("Request failed: ('No cipher can be selected.',)".to_owned()));
    }
    suites.retain(|suite| suite.tls13().is_some() || chosen.contains(&suite.suite()));
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NoAnswer> {
    let wrong = |reason: String| NoAnswer(format!("cannot read certificates from {}: {reason}", path.display()));
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("it holds none".to_owned())) } else { Ok(found) }
}

/// `validate_certs: false`: the user has said that the server's certificate does not matter. Signatures are still checked.
#[derive(Debug)]
struct Unverified(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_are_chosen_by_openssls_names() {
        let left = |list: &[&str]| {
            let mut suites = rustls::crypto::ring::default_provider().cipher_suites;
            let list: Vec<String> = list.iter().map(|&word| word.to_owned()).collect();
            choose(&mut suites, &list).map(|()| suites.iter().filter(|suite| suite.tls13().is_none()).count())
        };
        assert_eq!(left(&[]), Ok(6));
        assert_eq!(left(&["ECDHE-RSA-AES128-GCM-SHA256"]), Ok(1));
        assert_eq!(left(&["ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"]), Ok(0));
        assert_eq!(left(&["ECDHE+AESGCM:ECDHE-RSA-CHACHA20-POLY1305", "!aNULL"]), Ok(5));
        assert_eq!(left(&["HIGH:!ECDSA:@SECLEVEL=2"]), Ok(3));
        assert!(left(&["no;such"]).is_err());
    }
}
