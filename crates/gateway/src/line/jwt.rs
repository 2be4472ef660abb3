//! Passes that somebody else's shop checks by itself: JWTs under Ed25519, and the keys to check them
//! with at `/.well-known/jwks.json`.
//!
//! Whoever checks one offline sees that we gave it, for which campaign and until when. That it is
//! used once is then that shop's to keep, by its `jti`: nobody here learns of its use. The key of
//! the next period is published a whole period before it signs, so that a cached list is never too
//! old. Source: RFC 7519, RFC 8037 (Ed25519), RFC 7517, RFC 5958 (the form of a private key).

use super::figures::Refused;
use super::ring::Ring;
use crate::wire::json;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use onrush::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use sha2::{Digest, Sha256};

/// A private Ed25519 key in PKCS #8 is these bytes and the seed.
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// One period's key.
pub(crate) struct JwtKey {
    /// The public half, in base64url.
    x: String,
    /// What names it: a digest of the public half, so no two keys share one.
    id: String,
    secret: EncodingKey,
    public: DecodingKey,
}

/// What a pass says to another shop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The campaign.
    pub(crate) aud: String,
    /// The buyer's pseudonym in this campaign, as in the ticket.
    pub(crate) sub: String,
    /// The same for the same pass, so that a shop can keep it to one use.
    pub(crate) jti: String,
    /// When it ends, in seconds.
    pub(crate) exp: u64,
    /// The ticket's number, its place in line, and the class of its tier.
    pub(crate) number: u32,
    pub(crate) place: u32,
    pub(crate) class: u8,
}

/// Signs passes for other shops.
#[derive(Debug)]
pub(crate) struct Jwts {
    ring: Ring<JwtKey>,
    pub(crate) issuer: String,
}

/// Make a period's key of its seed.
pub(crate) fn jwt_key(_period: u64, seed: [u8; 32]) -> JwtKey {
    let mut der = PKCS8.to_vec();
    der.extend_from_slice(&seed);
    let secret = EncodingKey::from_ed_der(&der);
    let jwk = Jwk::from_encoding_key(&secret, Algorithm::EdDSA).expect("an Ed25519 key has a JWK");
    let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
        unreachable!("an Ed25519 key is an octet key pair (RFC 8037 §2)")
    };
    let digest = Sha256::digest(&pair.x);
    let id = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let public = DecodingKey::from_ed_components(&pair.x).expect("base64url of a public key");
    JwtKey { x: pair.x, id, secret, public }
}

impl Jwts {
    pub(crate) fn new(ring: Ring<JwtKey>, issuer: String) -> Jwts {
        Jwts { ring, issuer }
    }

    /// Sign a pass. One Ed25519 signature, some 30 µs.
    pub(crate) fn sign(&self, claims: &Claims, now: Timestamp) -> String {
        let keys = self.ring.at(now);
        let header = Header { kid: Some(keys.current.id.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &keys.current.secret).expect("plain claims under a good key")
    }

    /// Check a pass of `campaign`. One Ed25519 check, some 60 µs.
    pub(crate) fn open(
        &self,
        token: &str,
        campaign: &str,
        now: Timestamp,
    ) -> Result<Claims, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Forged)?;
        let keys = self.ring.at(now);
        let known = [&keys.current, &keys.previous];
        let key = known.into_iter().find(|key| Some(&key.id) == header.kid.as_ref());
        let key = key.ok_or(Refused::Stale)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[campaign]);
        rules.set_issuer(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Judged below, with the caller's clock.
        rules.validate_exp = false;
        let claims = decode::<Claims>(token, &key.public, &rules);
        let claims = claims.map_err(|_| Refused::Altered)?.claims;
        if claims.exp <= now.0 / 1_000 { Err(Refused::Stale) } else { Ok(claims) }
    }

    /// Write the key set: the keys that may have signed a live pass, and the next one.
    pub(crate) fn key_set(&self, now: Timestamp) -> Vec<u8> {
        let keys = self.ring.at(now);
        let next = self.ring.next(now);
        let all = [&keys.previous, &keys.current, &next].map(|key| {
            value!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id, "x": key.x})
        });
        json(&value!({"keys": all}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use onrush::DurationMs;
    use serde_json::Value;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const DAY: u64 = 86_400_000;

    fn jwts() -> Jwts {
        let ring = Ring::new([5; 32], DurationMs(DAY), DurationMs(DAY), jwt_key, NOW);
        Jwts::new(ring, "onrush".to_owned())
    }

    fn checks(token: &str, set: &[u8]) -> bool {
        let set: JwkSet = serde_json::from_slice(set).expect("a key set");
        let header = decode_header(token).expect("a header");
        let Some(jwk) = set.find(&header.kid.expect("a kid")) else { return false };
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_exp = false;
        rules.set_audience(&["drop"]);
        rules.set_issuer(&["onrush"]);
        decode::<Value>(token, &DecodingKey::from_jwk(jwk).expect("a key"), &rules).is_ok()
    }

    #[test]
    fn a_pass_checks_with_the_published_keys_of_its_time() {
        let jwts = jwts();
        let claims = Claims {
            iss: "onrush".to_owned(),
            aud: "drop".to_owned(),
            sub: "p".to_owned(),
            jti: "drop/1/2".to_owned(),
            exp: NOW.0 / 1_000 + 120,
            number: 1,
            place: 3,
            class: 0,
        };
        let token = jwts.sign(&claims, NOW);
        assert_eq!(token, jwts.sign(&claims, NOW), "the same pass is the same text");
        let at = |now| jwts.key_set(Timestamp(now));
        assert!(checks(&token, &at(NOW.0 - DAY)), "published before it signs");
        assert!(checks(&token, &at(NOW.0)) && checks(&token, &at(NOW.0 + DAY)));
        assert!(!checks(&token, &at(NOW.0 + 2 * DAY)));
        assert_eq!(jwts.open(&token, "drop", NOW), Ok(claims.clone()));
        assert_eq!(jwts.open(&token, "other", NOW), Err(Refused::Altered));
        assert_eq!(jwts.open(&token, "drop", Timestamp(NOW.0 + 120_000)), Err(Refused::Stale));
        assert_eq!(jwts.open(&token, "drop", Timestamp(NOW.0 + 2 * DAY)), Err(Refused::Stale));
        let mut forged = token.into_bytes();
        let middle = forged.len() / 2;
        forged[middle] ^= 1;
        let forged = String::from_utf8(forged).expect("ASCII");
        assert!(!checks(&forged, &at(NOW.0)));
        assert!(jwts.open(&forged, "drop", NOW).is_err());
    }

    /// RFC 8037 appendix A.1 and A.2: this seed has this public key.
    #[test]
    fn the_public_half_is_the_published_one() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let seed: [u8; 32] = seed.expect("base64").try_into().expect("32 bytes");
        assert_eq!(jwt_key(0, seed).x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }
}
