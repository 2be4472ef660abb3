//! Buyers' JWTs: one issuer, one algorithm per key.
//!
//! A token is believed when its `kid` names a known key (or there is only one), its `alg` is the
//! one that key is for, its signature holds, `iss` is the issuer, `aud` is the audience (or neither
//! is there), `exp` is there and not past, `nbf` is not ahead, and `sub` is 1 to 256 bytes. Times are
//! judged with the caller's clock. Source: RFC 7519, RFC 7515, RFC 8725.

use super::unauthenticated;
use crate::config::{ConfigErrors, IdentitySection, LEEWAY_DEFAULT};
use crate::problem::Problem;
use crate::secrets::{read_secret, secret_error};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use onrush::{DurationMs, Timestamp};
use serde::Deserialize;
use std::path::Path;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// Keys of an issuer at once, old ones included.
const KEYS_MAX: usize = 64;

/// The issuer whose tokens are believed.
pub(crate) struct Issuer {
    keys: Vec<Key>,
    leeway: DurationMs,
    groups_claim: Option<String>,
    groups: Vec<String>,
    account_claim: Option<String>,
}

/// Why an issuer's keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerError(pub String);

struct Key {
    id: Option<String>,
    key: DecodingKey,
    validation: Validation,
}

/// What a token says, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) groups: u64,
    /// When it was given out (`iat`).
    pub(crate) since: Option<Timestamp>,
    /// When the account was made, by the claim that is named for it.
    pub(crate) account_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct RawClaims {
    /// One issuer: a list of them, which the library would accept, is not a string.
    #[serde(rename = "iss")]
    _iss: String,
    sub: String,
    exp: f64,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<f64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Read a claim that is there: `null` is malformed, not missing.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(source).map(Some)
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({} keys)", self.keys.len())
    }
}

impl Issuer {
    /// Read the key files.
    pub(crate) fn load(section: &IdentitySection) -> Result<Issuer, ConfigErrors> {
        let mut keys = Vec::new();
        if let Some(path) = &section.jwks_file {
            let bytes = read_secret(path, "identity.jwks_file")?;
            keys = keys_of(&bytes, section)
                .map_err(|error| secret_error(path, "identity.jwks_file", &error.0))?;
        }
        if let Some(path) = &section.secret_file {
            keys.push(shared_secret(path, section)?);
        }
        Ok(Issuer {
            keys,
            leeway: section.leeway.unwrap_or(LEEWAY_DEFAULT).0,
            groups_claim: section.groups_claim.clone(),
            groups: section.groups.clone(),
            account_claim: section.account_claim.clone(),
        })
    }

    /// Check a token. One signature.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Problem> {
        self.checked(token, now).ok_or_else(unauthenticated)
    }

    fn checked(&self, token: &str, now: Timestamp) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let header = decode_header(token).ok()?;
        let key = match (&header.kid, self.keys.as_slice()) {
            (None, [only]) => only,
            (None, _) => return None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_ref() == Some(id)).or(
                // A lone secret without an id has nothing a `kid` could be compared with.
                match keys {
                    [only] if only.id.is_none() => Some(only),
                    _ => None,
                },
            )?,
        };
        let claims = decode::<RawClaims>(token, &key.key, &key.validation).ok()?.claims;
        let (now, leeway) = (now.0 as f64 / 1_000.0, self.leeway.0 as f64 / 1_000.0);
        let live = now < claims.exp + leeway && claims.nbf.is_none_or(|nbf| nbf <= now + leeway);
        if !live || claims.sub.is_empty() {
            return None;
        }
        let groups = self.groups_of(&claims.rest);
        let at = |name: &str| seconds(claims.rest.get(name)?);
        let account_at = self.account_claim.as_deref().and_then(at);
        Some(Claims { groups, since: at("iat"), account_at, sub: claims.sub })
    }

    fn groups_of(&self, claims: &serde_json::Map<String, serde_json::Value>) -> u64 {
        let Some(listed) = self.groups_claim.as_ref().and_then(|name| claims.get(name)) else {
            return 0;
        };
        let has = |group: &String| match listed {
            serde_json::Value::Array(list) => list.iter().any(|item| item == group),
            other => other == group,
        };
        let set = self.groups.iter().take(64).enumerate().filter(|(_, group)| has(group));
        set.fold(0, |bits, (at, _)| bits | 1 << at)
    }
}

/// Read a time as JWTs write it: seconds since 1970. Anything else says nothing.
fn seconds(value: &serde_json::Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e11).contains(seconds))?;
    Some(Timestamp((seconds * 1_000.0) as u64))
}

fn shared_secret(path: &Path, section: &IdentitySection) -> Result<Key, ConfigErrors> {
    let secret = read_secret(path, "identity.secret_file")?;
    if secret.len() < 32 {
        let problem = "has less than 32 bytes, too few for HS256 (RFC 7518 §3.2)";
        return Err(secret_error(path, "identity.secret_file", problem));
    }
    let validation = validation(Algorithm::HS256, section);
    Ok(Key { id: None, key: DecodingKey::from_secret(&secret), validation })
}

fn keys_of(jwks: &[u8], section: &IdentitySection) -> Result<Vec<Key>, IssuerError> {
    let set: JwkSet = serde_json::from_slice(jwks)
        .map_err(|error| IssuerError(format!("is not a JSON Web Key Set: {error}")))?;
    let signing = |key: &&Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let keys = set.keys.iter().filter(signing).map(|jwk| key_of(jwk, section));
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() || keys.len() > KEYS_MAX {
        return Err(IssuerError(format!("must have 1 to {KEYS_MAX} signing keys")));
    }
    let mut ids: Vec<&Option<String>> = keys.iter().map(|key| &key.id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(IssuerError("two keys have the same `kid`, or none".to_owned()));
    }
    Ok(keys)
}

/// Decide the one algorithm of a key from what it is, and from what it says it is for.
fn key_of(jwk: &Jwk, section: &IdentitySection) -> Result<Key, IssuerError> {
    let id = jwk.common.key_id.clone();
    let named = id.as_deref().unwrap_or("without a kid");
    let wrong = |what: &str| IssuerError(format!("key {named}: {what}"));
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => Algorithm::ES256,
        // 2048 bits are 342 characters in base64url.
        AlgorithmParameters::RSA(p) if p.n.len() >= 342 => Algorithm::RS256,
        AlgorithmParameters::RSA(_) => return Err(wrong("RSA keys need at least 2048 bits")),
        AlgorithmParameters::OctetKey(_) => {
            return Err(wrong("a shared secret does not belong here; use identity.secret_file"));
        }
        _ => return Err(wrong("use an Ed25519, P-256 or RSA key")),
    };
    if jwk.common.key_algorithm.is_some_and(|stated| stated.to_string() != name_of(algorithm)) {
        return Err(wrong("its `alg` does not fit its kind; EdDSA, ES256 and RS256 are accepted"));
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|error| wrong(&error.to_string()))?;
    Ok(Key { id, key, validation: validation(algorithm, section) })
}

fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "EdDSA",
        Algorithm::ES256 => "ES256",
        Algorithm::RS256 => "RS256",
        _ => "HS256",
    }
}

fn validation(algorithm: Algorithm, section: &IdentitySection) -> Validation {
    let mut validation = Validation::new(algorithm);
    // Times are judged above, with the caller's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let mut required = vec!["exp", "sub", "iss"];
    if let Some(issuer) = &section.issuer {
        validation.set_issuer(&[issuer]);
    }
    if let Some(audience) = &section.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}
