//! API keys of back ends and operators. Only keyed digests are kept in memory, and they are compared
//! in constant time, every one of them on every look.

use crate::config::{Config, ConfigErrors, Scope};
use crate::errors::Code;
use crate::problem::Problem;
use crate::secrets::{read_secret, secret_error};
use hmac::{Hmac, KeyInit, Mac};
use onrush::{Engine, Name};
use onrush_types::planted;
use sha2::Sha256;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Fewest characters of a key: 32 of 64 kinds are 192 bits.
const KEY_CHARS_MIN: usize = 32;

/// A key's holder.
#[derive(Debug)]
pub(crate) struct ApiKey {
    /// Its name, kept in the audit.
    pub(crate) name: Name,
    scopes: Vec<Scope>,
}

impl ApiKey {
    pub(crate) fn new(name: Name, scopes: Vec<Scope>) -> ApiKey {
        ApiKey { name, scopes }
    }

    /// Tell whether the key may do what `scope` says.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        planted!("scope-ignored", true, self.scopes.iter().any(|own| own.covers(scope)))
    }

    /// Refuse a key that may not.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Problem> {
        self.require_any(&[scope])
    }

    /// Refuse a key that may do none of these.
    pub(crate) fn require_any(&self, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| self.may(*scope)) {
            return Ok(());
        }
        let names: Vec<String> =
            scopes.iter().map(|scope| format!("\"{}\"", scope.as_str())).collect();
        let detail = format!("this needs an API key with the scope {}", names.join(" or "));
        Err(Problem::new(Code::Forbidden, detail))
    }

    /// Return the words of its scopes.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &'static str> {
        self.scopes.iter().map(|scope| scope.as_str())
    }
}

/// All keys.
pub(crate) struct ApiKeys {
    digest_key: Hmac<Sha256>,
    keys: Vec<([u8; 32], Arc<ApiKey>)>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({})", self.keys.len())
    }
}

impl ApiKeys {
    /// Read the configured keys; with `--dev` there is one more, named `dev`, for the admin side.
    pub(crate) fn load(config: &Config, engine: &Engine) -> Result<ApiKeys, ConfigErrors> {
        let digest_key = Hmac::new_from_slice(&engine.derive_key("onrush api key digests v1"))
            .expect("HMAC takes keys of any length");
        let mut keys = ApiKeys { digest_key, keys: Vec::new() };
        for section in &config.api_keys {
            let field = "api_keys.secret_file";
            let secret = read_secret(&section.secret_file, field)?;
            let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if secret.len() < KEY_CHARS_MIN || !secret.iter().all(plain) {
                let problem = "must be at least 32 letters, digits, '-' or '_'; make one with \
                               `openssl rand -hex 32`";
                return Err(secret_error(&section.secret_file, field, problem));
            }
            keys.add(&secret, section.name.clone(), section.scope.clone());
        }
        if config.dev {
            let name = Name::new("dev").expect("a plain word is a name");
            keys.add(dev_token(engine).as_bytes(), name, vec![Scope::Admin]);
        }
        Ok(keys)
    }

    /// Find the holder of a key. One HMAC and a pass over all keys.
    pub(crate) fn find(&self, token: &str) -> Option<Arc<ApiKey>> {
        let digest = self.digest(token.as_bytes());
        let mut found = None;
        for (known, key) in &self.keys {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found.cloned()
    }

    fn add(&mut self, secret: &[u8], name: Name, scopes: Vec<Scope>) {
        let digest = self.digest(secret);
        self.keys.push((digest, Arc::new(ApiKey { name, scopes })));
    }

    fn digest(&self, token: &[u8]) -> [u8; 32] {
        let mut mac = self.digest_key.clone();
        mac.update(token);
        mac.finalize().into_bytes().into()
    }
}

/// Return the admin token of `--dev`: unguessable, and the same after a restart.
pub(crate) fn dev_token(engine: &Engine) -> String {
    let key = engine.derive_key("onrush dev admin token v1");
    key[..24].iter().map(|byte| format!("{byte:02x}")).collect()
}
