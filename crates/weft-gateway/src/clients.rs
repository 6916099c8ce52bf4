//! Client certificates: whose signature makes one good, whether one is demanded, and what it says of its owner.
//!
//! rustls has verified the chain before anything here reads it. Only names and times are taken out of it:
//!
//! ```text
//! Certificate { TBSCertificate { [0] version?, serial, algorithm, issuer, validity { from, until }, subject, … }, … }
//! ```

use std::{io, path::PathBuf, sync::Arc};

use ring::digest::{SHA256, digest};
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use weft_types::{ClientCertificate, Timestamp};

use crate::tls::TlsError;

/// What a listener asks of its clients. The files are PEM, and read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Certificates of the authorities that sign those of clients.
    pub authorities: PathBuf,
    /// Lists of certificates that are good no more. An authority without a list has revoked none.
    pub revoked: Option<PathBuf>,
    /// Whether a client without a certificate is turned away in the handshake.
    pub required: bool,
}

impl ClientAuth {
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.authorities).chain(&self.revoked)
    }

    /// Reads files.
    pub(crate) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let roots = Arc::new(self.roots()?);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        if let Some(path) = &self.revoked {
            let unreadable = |source| TlsError::Unreadable { path: path.clone(), source };
            let lists: Vec<_> =
                CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
            if lists.is_empty() {
                return Err(TlsError::NoList { path: path.clone() });
            }
            builder = builder.with_crls(lists).allow_unknown_revocation_status();
        }
        if !self.required {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map_err(|error| TlsError::Clients { path: self.authorities.clone(), why: error.to_string() })
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let path = &self.authorities;
        let all: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|source| TlsError::Unreadable { path: path.clone(), source })?;
        let mut roots = RootCertStore::empty();
        for one in all {
            roots.add(one).map_err(|source| TlsError::Invalid { path: path.clone(), source })?;
        }
        match roots.is_empty() {
            true => Err(TlsError::NoChain { path: path.clone() }),
            false => Ok(roots),
        }
    }
}

/// What a verified certificate says. `None` where it cannot be read, which a verified one always can.
pub(crate) fn read(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let parsed = webpki::EndEntityCert::try_from(der).ok()?;
    let facts = Facts::of(der)?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
    Some(ClientCertificate {
        uris: parsed.valid_uri_names().map(Arc::from).collect(),
        names: parsed.valid_dns_names().map(Arc::from).collect(),
        subject: common_name(facts.subject).map(Arc::from),
        issuer: common_name(facts.issuer).map(Arc::from),
        until: facts.until,
        fingerprint,
    })
}

/// Why a client's certificate was refused, if that is what ended a handshake.
pub(crate) fn refusal(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let its = matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented);
    its.then(|| error.to_string())
}

/// The parts that are read by hand.
struct Facts<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    until: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// UTF8String, PrintableString and IA5String: text whose bytes are UTF-8.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

impl<'a> Facts<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let (whole, _) = element(der, SEQUENCE)?;
        let (mut rest, _) = element(whole, SEQUENCE)?;
        if let Some((_, after)) = element(rest, VERSION) {
            rest = after;
        }
        let (_, _, rest) = any(rest)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, rest) = element(rest, SEQUENCE)?;
        let (subject, _) = element(rest, SEQUENCE)?;
        let (_, _, until) = any(validity)?;
        let (tag, until, _) = any(until)?;
        Some(Self { issuer, subject, until: time(tag, until)? })
    }
}

/// An element's tag, what it holds, and what comes after it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (holds, rest) = rest.split_at_checked(length)?;
    Some((tag, holds, rest))
}

fn element(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    any(der).and_then(|(tag, holds, rest)| (tag == wanted).then_some((holds, rest)))
}

/// The one common name of a distinguished name. Of two, two readers could take different ones: there is none then.
fn common_name(mut name: &[u8]) -> Option<&str> {
    let mut found = None;
    while let Some((mut set, rest)) = element(name, SET) {
        name = rest;
        while let Some((pair, rest)) = element(set, SEQUENCE) {
            set = rest;
            let Some(value) = pair.strip_prefix(&COMMON_NAME) else { continue };
            let (tag, text, _) = any(value)?;
            if !TEXTS.contains(&tag) || found.is_some() {
                return None;
            }
            found = Some(std::str::from_utf8(text).ok()?);
        }
    }
    found
}

/// `YYMMDDHHMMSSZ` and `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5). A certificate for ever is good until the end of time.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let seconds = days(year, two(0)?, two(2)?) * 86_400 + two(4)? * 3600 + two(6)? * 60 + two(8)?;
    Some(Timestamp::from_nanos(u64::try_from(seconds).ok()?.saturating_mul(1_000_000_000)))
}

/// From 1970-01-01. The year begins in March, so that its odd month is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let authority = {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "Test Authority");
            Issuer::new(params, KeyPair::generate().expect("a key"))
        };
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("names");
        params.distinguished_name = Default::default();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.signed_by(&key, &authority).expect("signed").der().clone()
    }

    #[test]
    fn names_issuer_and_end_are_read_as_they_were_written() {
        let der = made(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Acme");
            params.distinguished_name.push(DnType::CommonName, "Zoë");
            let uri = "spiffe://example.org/orders".try_into().expect("ASCII");
            params.subject_alt_names.push(SanType::URI(uri));
            params.not_after = date_time_ymd(2040, 2, 29);
        });
        let read = read(&der).expect("readable");
        assert_eq!(read.uris, ["spiffe://example.org/orders".into()]);
        assert_eq!(read.names, ["a.example".into()]);
        assert_eq!(read.subject.as_deref(), Some("Zoë"));
        assert_eq!(read.issuer.as_deref(), Some("Test Authority"));
        assert_eq!(read.until.as_millis(), 2_214_086_400_000);
        assert_eq!(read.fingerprint.as_slice(), digest(&SHA256, &der).as_ref());
    }

    #[test]
    fn a_certificate_without_names_or_without_end_says_so() {
        let der = made(|params| params.not_after = date_time_ymd(9999, 12, 31));
        let read = read(&der).expect("readable");
        assert!(read.subject.is_none() && read.uris.is_empty());
        assert_eq!(read.until, Timestamp::from_nanos(u64::MAX));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let of = |tag, text: &str| time(tag, text.as_bytes()).map(|at| at.as_millis() / 1000);
        assert_eq!(of(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(of(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(of(GENERALIZED_TIME, "20000229120001Z"), Some(951_825_601));
        for bad in ["", "Z", "7001010000Z", "70010100000éZ", "700101000000", "500101000000Z+"] {
            assert_eq!(of(UTC_TIME, bad), None, "{bad}");
        }
        assert_eq!(of(UTC_TIME, "500101000000Z"), None, "before 1970");
    }

    #[test]
    fn what_is_cut_short_is_not_read() {
        let der = made(|_| {});
        for end in 0..200.min(der.len()) {
            assert!(read(&CertificateDer::from(der[..end].to_vec())).is_none());
            let _ = Facts::of(&der[..end]);
        }
    }
}
