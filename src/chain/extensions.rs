//! The certificate extensions that chain assembly depends on (RFC 5280 section 4.2), read once.

use x509_parser::asn1_rs::{FromDer, Oid, oid};
use x509_parser::extensions as x509;
use x509_parser::oid_registry as oid;

use super::{Name, ParseError};

/// id-pe-tlsfeature (RFC 7633 section 6).
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);
/// The number of the TLS extension status_request (RFC 6066 section 8).
const STATUS_REQUEST: u32 = 5;

/// What the extensions of one certificate say.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    /// keyUsage, where there is one: whether it has keyCertSign.
    pub(super) key_cert_sign: Option<bool>,
    /// extendedKeyUsage, where there is one: whether it has serverAuth or anyExtendedKeyUsage.
    pub(super) server_auth: Option<bool>,
    pub(super) name_constraints: Option<Box<NameConstraints>>,
    pub(super) subject_alt_names: Box<[GeneralName]>,
    pub(super) subject_key_id: Option<Box<[u8]>>,
    pub(super) authority_key_id: AuthorityKeyIdentifier,
    pub(super) ca_issuers: Box<[String]>,
    pub(super) ocsp_responders: Box<[String]>,
    /// Whether extendedKeyUsage has OCSPSigning.
    pub(super) ocsp_signing: bool,
    /// Whether the TLS feature extension asks for status_request.
    pub(super) must_staple: bool,
    pub(super) unknown_critical: Option<Box<str>>,
}

/// basicConstraints (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) ca: bool,
    /// How many intermediates that are not self-issued may lie between this certificate and the leaf.
    pub(super) path_length: Option<u32>,
}

/// authorityKeyIdentifier (RFC 5280 section 4.2.1.1): which key, and which certificate of it, signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityKeyIdentifier {
    /// The subjectKeyIdentifier of the issuer.
    pub key_id: Option<Box<[u8]>>,
    /// The issuer's own issuer and serial number.
    pub issuer_and_serial: Option<(Name, Box<[u8]>)>,
}

/// A name of a certificate or of a constraint (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GeneralName {
    Directory(Name),
    /// In lower case, without a final dot.
    Dns(Box<str>),
    Email(Box<str>),
    /// Four or sixteen octets; in a constraint eight or thirty-two, the second half being the mask.
    Ip(Box<[u8]>),
    /// A form that is not looked into, told apart by its tag.
    Other(u32),
    Uri(Box<str>),
}

/// nameConstraints (RFC 5280 section 4.2.1.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NameConstraints {
    pub(super) permitted: Box<[GeneralName]>,
    pub(super) excluded: Box<[GeneralName]>,
}

impl Extensions {
    pub(super) fn read(extensions: &[x509::X509Extension<'_>]) -> Result<Self, ParseError> {
        let mut read = Self::default();
        for (position, extension) in extensions.iter().enumerate() {
            if extensions[..position]
                .iter()
                .any(|earlier| earlier.oid == extension.oid)
            {
                return Err(ParseError::DuplicateExtension(extension.oid.to_id_string()));
            }
            let processed = read.take(extension)?;
            if !processed && extension.critical && read.unknown_critical.is_none() {
                read.unknown_critical = Some(extension.oid.to_id_string().into());
            }
        }
        Ok(read)
    }

    /// Reads `extension` if it says something about chains, and tells whether it may be critical.
    fn take(&mut self, extension: &x509::X509Extension<'_>) -> Result<bool, ParseError> {
        let value = extension.value;
        let id = &extension.oid;
        if *id == oid::OID_X509_EXT_BASIC_CONSTRAINTS {
            let constraints: x509::BasicConstraints = whole(value, "basicConstraints")?;
            self.basic_constraints = Some(BasicConstraints {
                ca: constraints.ca,
                path_length: constraints.path_len_constraint,
            });
        } else if *id == oid::OID_X509_EXT_KEY_USAGE {
            let usage: x509::KeyUsage = whole(value, "keyUsage")?;
            self.key_cert_sign = Some(usage.key_cert_sign());
        } else if *id == oid::OID_X509_EXT_EXTENDED_KEY_USAGE {
            let usage: x509::ExtendedKeyUsage<'_> = whole(value, "extendedKeyUsage")?;
            // anyExtendedKeyUsage does not count: rustls-webpki, Chromium and the CA/Browser Forum's baseline
            // (7.1.2.7) want serverAuth.
            self.server_auth = Some(usage.server_auth);
            self.ocsp_signing = usage.ocsp_signing;
        } else if *id == oid::OID_X509_EXT_NAME_CONSTRAINTS {
            let constraints: x509::NameConstraints<'_> = whole(value, "nameConstraints")?;
            self.name_constraints = Some(Box::new(NameConstraints {
                permitted: subtrees(constraints.permitted_subtrees),
                excluded: subtrees(constraints.excluded_subtrees),
            }));
        } else if *id == oid::OID_X509_EXT_SUBJECT_ALT_NAME {
            let names: x509::SubjectAlternativeName<'_> = whole(value, "subjectAltName")?;
            self.subject_alt_names = names.general_names.iter().map(GeneralName::from).collect();
        } else if *id == oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER {
            let key_id: x509::KeyIdentifier<'_> = whole(value, "subjectKeyIdentifier")?;
            self.subject_key_id = Some(key_id.0.into());
            return Ok(false);
        } else if *id == oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER {
            self.authority_key_id = whole::<x509::AuthorityKeyIdentifier<'_>>(value, "authorityKeyIdentifier")?.into();
            return Ok(false);
        } else if *id == oid::OID_PKIX_AUTHORITY_INFO_ACCESS {
            // Only a hint where to look: one that cannot be read is as good as none.
            if let Ok((_, access)) = x509::AuthorityInfoAccess::from_der(value) {
                self.ca_issuers = locations(&access, &oid::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
                self.ocsp_responders = locations(&access, &oid::OID_PKIX_ACCESS_DESCRIPTOR_OCSP);
            }
            return Ok(false);
        } else if *id == TLS_FEATURE {
            // What cannot be read asks for nothing. Clients refuse it where it is critical: they do not process it.
            self.must_staple =
                <Vec<u32>>::from_der(value).is_ok_and(|(_, features)| features.contains(&STATUS_REQUEST));
            return Ok(false);
        } else {
            // Key identifiers and access information must not be critical (RFC 5280 sections 4.2.1.1, 4.2.1.2,
            // 4.2.2.1), and clients refuse them where they are. Policies are accepted whatever they are (the initial
            // set is anyPolicy, RFC 5280 section 6.1.1); they can only be refused by policyConstraints, which is not
            // processed and so refused where it is critical.
            return Ok(
                *id == oid::OID_X509_EXT_CERTIFICATE_POLICIES || *id == oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS
            );
        }
        Ok(true)
    }
}

/// The value that fills `der` to its last byte.
fn whole<'a, T: FromDer<'a, x509_parser::error::X509Error>>(
    der: &'a [u8],
    name: &'static str,
) -> Result<T, ParseError> {
    match T::from_der(der) {
        Ok(([], value)) => Ok(value),
        _ => Err(ParseError::Extension(name)),
    }
}

fn subtrees(subtrees: Option<Vec<x509::GeneralSubtree<'_>>>) -> Box<[GeneralName]> {
    subtrees
        .iter()
        .flatten()
        .map(|subtree| GeneralName::from(&subtree.base))
        .collect()
}

/// The URLs that `access` gives for `method`.
fn locations(access: &x509::AuthorityInfoAccess<'_>, method: &Oid<'_>) -> Box<[String]> {
    access
        .iter()
        .filter(|description| description.access_method == *method)
        .filter_map(|description| match &description.access_location {
            x509::GeneralName::URI(url) => Some((*url).to_owned()),
            _ => None,
        })
        .collect()
}

impl From<&x509::GeneralName<'_>> for GeneralName {
    fn from(name: &x509::GeneralName<'_>) -> Self {
        match name {
            x509::GeneralName::DirectoryName(name) => Self::Directory(Name::new(name)),
            x509::GeneralName::DNSName(name) => Self::Dns(name.trim_end_matches('.').to_ascii_lowercase().into()),
            x509::GeneralName::RFC822Name(name) => Self::Email((*name).into()),
            x509::GeneralName::IPAddress(octets) => Self::Ip((*octets).into()),
            x509::GeneralName::URI(uri) => Self::Uri((*uri).into()),
            x509::GeneralName::OtherName(..) => Self::Other(0),
            x509::GeneralName::X400Address(_) => Self::Other(3),
            x509::GeneralName::EDIPartyName(_) => Self::Other(5),
            x509::GeneralName::RegisteredID(_) => Self::Other(8),
            x509::GeneralName::Invalid(tag, _) => Self::Other(tag.0),
        }
    }
}

impl From<x509::AuthorityKeyIdentifier<'_>> for AuthorityKeyIdentifier {
    fn from(identifier: x509::AuthorityKeyIdentifier<'_>) -> Self {
        let issuer = identifier
            .authority_cert_issuer
            .iter()
            .flatten()
            .find_map(|name| match name {
                x509::GeneralName::DirectoryName(name) => Some(Name::new(name)),
                _ => None,
            });
        Self {
            key_id: identifier.key_identifier.map(|key_id| key_id.0.into()),
            issuer_and_serial: issuer.zip(identifier.authority_cert_serial.map(Into::into)),
        }
    }
}
