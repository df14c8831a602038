//! Which servers are trusted: those whose certificate an authority signed, and those whose very certificate is named.
//!
//! webpki takes no authority for a server. A certificate that signed itself (`openssl req -x509`) is both; OpenSSL and
//! Go take it where that certificate itself is trusted, and so does this.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore};
use rustls::{SignatureScheme, WantsVerifier};
use x509_cert::der::Decode as _;

/// Certificates that are trusted.
#[derive(Debug)]
pub struct Trust {
    roots: RootCertStore,
    whole: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Nobody.
    pub fn none() -> Self {
        Self { roots: RootCertStore::empty(), whole: Vec::new() }
    }

    /// The authorities of this host, and why some could not be read.
    pub fn of_host() -> (Self, Vec<rustls_native_certs::Error>) {
        let found = rustls_native_certs::load_native_certs();
        let mut trust = Self::none();
        for certificate in found.certs {
            // One that cannot be read is the host's own affair.
            let _ = trust.add(certificate);
        }
        (trust, found.errors)
    }

    /// One more.
    pub fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), Error> {
        self.roots.add(certificate.clone())?;
        self.whole.push(certificate);
        Ok(())
    }

    /// True if nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// A configuration that checks servers by this.
    pub fn check(
        self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
        provider: Arc<CryptoProvider>,
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let verifier = OnceLock::from(self.verifier(Arc::clone(&provider)));
        let verifier = Arc::new(Late { own: Vec::new(), provider, verifier });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    }

    /// A configuration that checks servers by this and the authorities of this host. Those are read when the first server
    /// shows its certificate: they are some hundred files, and one of plain HTTP shows none.
    pub fn check_with_host(
        self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
        provider: Arc<CryptoProvider>,
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let verifier = Arc::new(Late { own: self.whole, provider, verifier: OnceLock::new() });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    }

    fn verifier(self, provider: Arc<CryptoProvider>) -> Option<Verifier> {
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots), provider).build().ok()?;
        Some(Verifier { chains, whole: self.whole })
    }
}

/// A verifier that is made when it is needed, unless it is there.
#[derive(Debug)]
struct Late {
    /// What is trusted besides the host's authorities.
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Option<Verifier>>,
}

impl ServerCertVerifier for Late {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let make = || {
            let (mut trust, _) = Trust::of_host();
            for certificate in &self.own {
                // It was read before.
                let _ = trust.add(certificate.clone());
            }
            trust.verifier(Arc::clone(&self.provider))
        };
        match self.verifier.get_or_init(make) {
            Some(verifier) => {
                let known = verifier.verify(certificate, intermediates, name, ocsp, now);
                known.map(|()| ServerCertVerified::assertion())
            }
            // Without any authority no server is trusted.
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct Verifier {
    chains: Arc<WebPkiServerVerifier>,
    whole: Vec<CertificateDer<'static>>,
}

/// Name and time of a certificate that is trusted itself.
fn fits(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    let parsed = x509_cert::Certificate::from_der(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

impl Verifier {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        match self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // webpki's word for an authority in a server's place is one of those without a name.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.whole.contains(certificate) => {
                fits(certificate, name, now)
            }
            other => other.map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// Made by the openssl program, as people make them.
    fn made(folder: &std::path::Path, name: &str) -> CertificateDer<'static> {
        let (key, path) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
        let status = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=registry.lan", "-addext", "subjectAltName=DNS:registry.lan", "-keyout"])
            .arg(key)
            .arg("-out")
            .arg(&path)
            .stderr(std::process::Stdio::null())
            .status();
        assert!(status.expect("openssl runs").success());
        CertificateDer::from_pem_file(path).expect("a certificate")
    }

    #[test]
    fn a_certificate_that_signed_itself_is_trusted_by_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (made(folder.path(), "own"), made(folder.path(), "other"));
        let mut trust = Trust::none();
        trust.add(own.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(trust.roots), provider).build().unwrap();
        let verifier = Verifier { chains, whole: trust.whole };
        let ask = |certificate: &CertificateDer<'_>, name: &str, days: u64| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + days * 86_400));
            match verifier.verify(certificate, &[], &name, &[], now) {
                Ok(()) => "trusted".to_owned(),
                Err(error) => format!("{error:?}"),
            }
        };
        assert_eq!(ask(&own, "registry.lan", 1), "trusted");
        assert!(ask(&own, "evil.lan", 1).contains("NotValidForName"), "{}", ask(&own, "evil.lan", 1));
        assert!(ask(&own, "registry.lan", 3).contains("Expired"), "{}", ask(&own, "registry.lan", 3));
        // Another of the same name is not the one that is trusted.
        assert_ne!(ask(&other, "registry.lan", 1), "trusted");
    }

    #[test]
    fn the_hosts_authorities_are_read_when_a_certificate_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (made(folder.path(), "own"), made(folder.path(), "other"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let late = Late { own: vec![own.clone()], provider, verifier: OnceLock::new() };
        let ask = |certificate: &CertificateDer<'_>| {
            let name = ServerName::try_from("registry.lan".to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + 86_400));
            late.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
        };
        assert!(late.verifier.get().is_none());
        assert!(ask(&own) && !ask(&other));
        assert!(late.verifier.get().is_some());
    }
}
